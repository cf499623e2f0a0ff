"""The lexicon of texts, from `lexicon.toml`: phrases of reports, words, hints; sentences of them.

In: that file; text as a user writes it. Out: regular expressions, each with the field it speaks of
and the terms it leaves possible (none: known to be ambiguous); lower-case tokens, abbreviations
written out, signs and units made one. What no finding holds has `REMARK` or `ASIDE` in the field's
place.

A finding is written as a radiologist's sentence in one of several phrasings, nothing left out or
added but scanner and position; the sample's generator chooses phrasing and synonyms.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from busgen import schema
from busgen.io import read_toml
from busgen.priors import network

ASIDE, REMARK = "aside", "remark"
_DATA = read_toml(Path(__file__).with_suffix(".toml"))
_FRAGMENTS: dict[str, str] = {}


def _expand(pattern: str) -> str:
    """Return a pattern of the file with its fragments written out."""
    return re.sub(r"\{([a-z_]+)\}", lambda name: _FRAGMENTS[name[1]], pattern.replace("\n", ""))


for _name, _pattern in _DATA["fragments"].items():
    _FRAGMENTS[_name] = _expand(_pattern)
PRESENT = _FRAGMENTS["present"]  # after "not": a denial that follows
PHRASES = tuple(
    (_expand(pattern), group["field"], tuple(group["terms"]))
    for group in _DATA["phrases"]
    for pattern in group["patterns"]
)
REWRITTEN = (  # before phrases are looked for
    (re.compile(_expand(r"\bnon circumscribed|\birregular(?= {edge}\b)")), "not circumscribed"),
    (re.compile(_expand(_DATA["rewritten"]["of_fat"])), ""),
    (re.compile(r"\b(?:part(?:ly|ially)|mostly|largely) circumscribed"), "not circumscribed"),
)
WRITTEN: dict[str, dict[str, list[str]]] = _DATA["written"]  # field -> term -> synonyms
IGNORED = frozenset(_DATA["ignored"]["words"].split())
_FIELDS = ("pathology", "birads", "tissue", "shape", "orientation", "margin", "echo_pattern")
TERMS = {name: network.TERMS[name] for name in (*_FIELDS, "posterior", "halo", "calcification")} | {
    "margin": schema.MARGINS
}
WORDS = tuple(
    sorted(
        {word for terms in TERMS.values() for t in terms for word in t.split("_") if len(word) > 3}
        | {"calcifications", "lesion", "margins", "posterior"}
    )
)
HINTS: dict[str, str] = _DATA["hints"]
_SIGNS = str.maketrans({"–": "-", "−": "-", "×": " x ", "(": ",", ")": ",", "’": "'", "≤": "<"})
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+|\S")
_DOT = r"(?:\.(?=\s*[-a-z\d,;:/]))?"  # of an abbreviation: before a capital it ends a sentence
_ABBREVIATIONS = _DATA["abbreviations"].items()
_SPELLINGS = [
    *((re.compile(rf"\b(?i:{short})\b{_DOT}"), long) for short, long in _ABBREVIATIONS),
    (re.compile(r"\b(?i:w/o)\b"), "without"),
    (re.compile(r"\b(?i:w/)"), "with "),
    (re.compile(r"\(-\)"), " no "),
    (re.compile(r"\(\+\)|(?<=\s)\+(?=\W|$)"), " "),
    (re.compile(r"\b(\d{1,2}):\d\d\b"), r"\1 o'clock"),
    (re.compile(r"[&]"), " and "),
    (re.compile(r">"), " than "),
    (re.compile(r"\b(?i:(bi-?\s?rads|category)[-\s:]*)(IV|III|II|V|I)\b"), r"\1 \2"),
]
Said = dict[str, str]
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5"}


def normalise(text: str) -> str:
    """Return lower-case tokens joined by single spaces.

    Hyphens between words are spaces, between numbers "to", before a number "minus"; "3,5 cm" has a
    decimal comma; "irreg." is irregular, "w/o" without, "2:00" 2 o'clock.
    """
    for pattern, written in _SPELLINGS:
        text = pattern.sub(written, text)
    text = text.lower().translate(_SIGNS)
    text = re.sub(r"(rads|category) (i{1,3}|iv|v)\b", lambda m: f"{m[1]} {_ROMAN[m[2]]}", text)
    text = re.sub(r"(milli|centi)met(?:re|er)s?\b", lambda m: f"{m[1][0]}m", text)
    text = re.sub(r"(?<![\d,.])(\d+),(\d\d?)(?=\s*(?:[mc]m|x|by|to|-)\b)", r"\1.\2", text)
    text = re.sub(r"(\d(?:\s*[mc]m)?)\s*-\s*(?=\d)", r"\1 to ", text)
    text = re.sub(r"(?<![\w.])\.(?=\d)", "0.", text)
    text = re.sub(r"(?<![\w.])-(?=\d)", " minus ", text)
    text = re.sub(r"[-_/:]", " ", text)
    return " ".join(_TOKEN.findall(text))


def hint_of(word: str) -> str:
    """Return what was perhaps meant by an unknown word: a known trap, or another close to it."""
    for key in (word, word.split()[-1]):
        if key in HINTS:
            return HINTS[key]
    if word[0].isdigit():
        return "a number needs its unit, e.g. 14 mm"
    if word in WORDS:
        return "a word of the lexicon that must stand in a whole term"
    close = get_close_matches(word, WORDS, 1, 0.8)
    return f"did you mean {close[0]}?" if close else ""


def to_text(stated: Mapping[str, Any], rng: np.random.Generator) -> str:
    """Return a finding's fields in words; null ones are left out.

    `rng` chooses phrasing and synonyms, by the same numbers whatever is stated.
    """
    choices: list[int] = (rng.random(9) * 60).astype(np.intp).tolist()  # integers: thrice the time
    phrasing = choices.pop()
    phrases = _words(stated, choices)
    if stated["pathology"] == "normal":
        return NORMAL[phrasing % len(NORMAL)](phrases)
    return PHRASINGS[phrasing % len(PHRASINGS)](phrases)


def _words(stated: Mapping[str, Any], choices: Sequence[int]) -> Said:
    """Return the words for each field, empty for null."""
    names = ("shape", "orientation", "echo_pattern", "posterior", "halo", "calcification", "tissue")
    phrases = {}
    for name, choice in zip(names, choices, strict=False):
        synonyms = [] if stated[name] is None else WRITTEN[name][str(stated[name])]
        phrases[name] = synonyms[choice % len(synonyms)] if synonyms else ""
    margins = [WRITTEN["margin"][term] for term in stated["margin"] or ()]
    terms = [synonyms[choices[7] % len(synonyms)] for synonyms in margins]
    phrases["margin"] = " and ".join(filter(None, (", ".join(terms[:-1]), *terms[-1:])))
    phrases["size"] = _size(stated, in_cm=choices[0] % 3 == 0)
    phrases["birads"] = _phrase("BI-RADS ", stated["birads"] or "")
    return phrases | {"pathology": stated["pathology"] or ""}


def _size(stated: Mapping[str, Any], *, in_cm: bool) -> str:
    """Return width x height to a tenth of a millimetre, finer only where they would look equal."""
    width, height = stated["width_mm"], stated["height_mm"]
    if width is None or height is None:
        return ""
    digits = next((d for d in (1, 2, 3) if round(width, d) != round(height, d)), 6)
    if in_cm:
        return f"{width / 10:.{digits + 1}f} x {height / 10:.{digits + 1}f} cm"
    return f"{width:.{digits}f} x {height:.{digits}f} mm"


def _join(parts: Sequence[str], glue: str = ", ") -> str:
    return glue.join(part for part in parts if part)


def _phrase(lead: str, words: str, tail: str = "") -> str:
    return f"{lead}{words}{tail}" if words else ""


def _to_sentence(phrases: Said) -> str:
    """Write everything about the lesion in one sentence."""
    mass = _join((phrases["shape"], phrases["echo_pattern"], "mass"), " ")
    clauses = (
        mass,
        phrases["orientation"],
        _phrase("with ", phrases["margin"], " margins"),
        phrases["posterior"],
        phrases["halo"],
        phrases["calcification"],
        _phrase("measuring ", phrases["size"]),
        _phrase("in ", phrases["tissue"]),
    )
    text = _join(clauses)
    assessment = _join((phrases["birads"], phrases["pathology"]))
    record = _phrase(" ", assessment[:1].upper() + assessment[1:], ".")
    return f"{text[0].upper()}{text[1:]}.{record}"


def _form(phrases: Said) -> str:
    """Write the fields of a structured report."""
    present = "absent" if phrases["halo"].startswith("no ") else "present"
    none = phrases["calcification"].startswith("no ")
    fields = (
        _phrase("Shape: ", phrases["shape"]),
        _phrase("Orientation: ", phrases["orientation"]),
        _phrase("Margin: ", phrases["margin"]),
        _phrase("Echo pattern: ", phrases["echo_pattern"]),
        "Posterior features: none"
        if phrases["posterior"].startswith("no ")
        else phrases["posterior"],
        f"Echogenic halo: {present}" if phrases["halo"] else "",
        "Calcifications: none" if none else phrases["calcification"],
        _phrase("Size: ", phrases["size"]),
        _phrase("Background: ", phrases["tissue"]),
        _phrase("Assessment: ", phrases["birads"]),
        _phrase("Pathology: ", phrases["pathology"]),
    )
    return ". ".join(field[0].upper() + field[1:] for field in fields if field) + "."


def _prose(phrases: Said) -> str:
    """Write several short sentences."""
    mass = _join((phrases["pathology"], "mass", _phrase("of ", phrases["size"])), " ")
    posterior, are = phrases["posterior"], phrases["posterior"].endswith("features")
    sentences = (
        _join((mass[0].upper() + mass[1:], _phrase("in ", phrases["tissue"])), " "),
        _phrase(
            "It is ", _join((phrases["shape"], phrases["echo_pattern"], phrases["orientation"]))
        ),
        _phrase("Its margins are ", phrases["margin"]),
        _phrase("There are " if are else "There is ", posterior),
        _phrase("There is ", phrases["halo"]),
        _phrase("There are ", phrases["calcification"]),
        phrases["birads"],
    )
    return _join(sentences, ". ") + "."


def _terse(phrases: Said) -> str:
    """Write a caption in key words."""
    head = _join((phrases["pathology"], phrases["birads"]))
    mass = _join((phrases["shape"], phrases["echo_pattern"], "mass"), " ")
    keys = (mass, phrases["margin"], phrases["orientation"], phrases["posterior"], phrases["halo"])
    record = _join((*keys, phrases["calcification"], phrases["size"], phrases["tissue"]))
    return _phrase("", head, ": ") + record


def _normal_sentence(phrases: Said) -> str:
    """Write that there is no lesion, in a sentence."""
    tissue = _phrase(" in ", phrases["tissue"])
    return (
        f"Normal breast ultrasound, no mass{tissue}. {_phrase('', phrases['birads'], '.')}".strip()
    )


def _normal_form(phrases: Said) -> str:
    """Write that there is no lesion, in key words."""
    return _join(("normal", phrases["tissue"], "no lesion", phrases["birads"]))


PHRASINGS: tuple[Callable[[Said], str], ...] = (_to_sentence, _form, _prose, _terse)
NORMAL: tuple[Callable[[Said], str], ...] = (_normal_sentence, _normal_form)
