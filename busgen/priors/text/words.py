"""Finding -> text: a radiologist's sentence in one of several phrasings, nothing left out or added.

In: the fields of a finding, and the sample's generator, which chooses phrasing and synonyms.
Out: English that `busgen.priors.text.parse` understands, without scanner and position.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from busgen.priors.text.lexicon import WRITTEN

Said = dict[str, str]


def to_text(stated: Mapping[str, Any], rng: np.random.Generator) -> str:
    """Return a finding's fields in words; null ones are left out.

    `rng` chooses phrasing and synonyms, by the same numbers whatever is stated.
    """
    choices: list[int] = rng.integers(0, 60, 9).tolist()
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
