"""The lexicon of texts, from `lexicon.toml`: phrases of reports, words, abbreviations, hints.

In: that file; text as a user writes it. Out: regular expressions, each with the field it speaks of
and the terms it leaves possible (none: known to be ambiguous); lower-case tokens, abbreviations
written out, signs and units made one. What no finding holds has `REMARK` or `ASIDE` in the field's
place.
"""

import re
import tomllib
from difflib import get_close_matches
from pathlib import Path

from busgen import schema
from busgen.priors import network

ASIDE, REMARK = "aside", "remark"
_DATA = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
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
