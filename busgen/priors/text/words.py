"""Finding -> text: a radiologist's sentence in one of several phrasings, nothing left out or added.

In: a finding without its text, and the sample's generator, which chooses phrasing and synonyms.
Out: English that `busgen.priors.text.parse` understands, without scanner and position.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from busgen.priors.findings import Finding
from busgen.priors.text.lexicon import WRITTEN

Said = dict[str, str]


def to_text(finding: Finding, rng: np.random.Generator) -> str:
    """Return `finding` in words; null fields are left out, its own `text` is not read.

    `rng` chooses phrasing and synonyms, by the same numbers whatever is stated.
    """
    stated = vars(finding)
    choices: list[int] = rng.integers(0, 60, 9).tolist()
    phrasing = choices.pop()
    said = _words(stated, choices)
    if stated["pathology"] == "normal":
        return NORMAL[phrasing % len(NORMAL)](said)
    return PHRASINGS[phrasing % len(PHRASINGS)](said)


def _words(stated: Mapping[str, Any], choices: Sequence[int]) -> Said:
    """Return the words for each field, empty for null."""
    names = ("shape", "orientation", "echo_pattern", "posterior", "halo", "calcification", "tissue")
    said = {}
    for name, choice in zip(names, choices, strict=False):
        synonyms = [] if stated[name] is None else WRITTEN[name][str(stated[name])]
        said[name] = synonyms[choice % len(synonyms)] if synonyms else ""
    margins = [WRITTEN["margin"][term] for term in stated["margin"] or ()]
    terms = [synonyms[choices[7] % len(synonyms)] for synonyms in margins]
    said["margin"] = " and ".join(filter(None, (", ".join(terms[:-1]), *terms[-1:])))
    said["size"] = _size(stated, in_cm=choices[0] % 3 == 0)
    said["birads"] = _phrase("BI-RADS ", stated["birads"] or "")
    return said | {"pathology": stated["pathology"] or ""}


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


def _to_sentence(said: Said) -> str:
    """Write everything about the lesion in one sentence."""
    mass = _join((said["shape"], said["echo_pattern"], "mass"), " ")
    clauses = (
        mass,
        said["orientation"],
        _phrase("with ", said["margin"], " margins"),
        said["posterior"],
        said["halo"],
        said["calcification"],
        _phrase("measuring ", said["size"]),
        _phrase("in ", said["tissue"]),
    )
    text = _join(clauses)
    assessment = _join((said["birads"], said["pathology"]))
    told = _phrase(" ", assessment[:1].upper() + assessment[1:], ".")
    return f"{text[0].upper()}{text[1:]}.{told}"


def _form(said: Said) -> str:
    """Write the fields of a structured report."""
    present = "absent" if said["halo"].startswith("no ") else "present"
    none = said["calcification"].startswith("no ")
    fields = (
        _phrase("Shape: ", said["shape"]),
        _phrase("Orientation: ", said["orientation"]),
        _phrase("Margin: ", said["margin"]),
        _phrase("Echo pattern: ", said["echo_pattern"]),
        "Posterior features: none" if said["posterior"].startswith("no ") else said["posterior"],
        f"Echogenic halo: {present}" if said["halo"] else "",
        "Calcifications: none" if none else said["calcification"],
        _phrase("Size: ", said["size"]),
        _phrase("Background: ", said["tissue"]),
        _phrase("Assessment: ", said["birads"]),
        _phrase("Pathology: ", said["pathology"]),
    )
    return ". ".join(field[0].upper() + field[1:] for field in fields if field) + "."


def _prose(said: Said) -> str:
    """Write several short sentences."""
    mass = _join((said["pathology"], "mass", _phrase("of ", said["size"])), " ")
    posterior, are = said["posterior"], said["posterior"].endswith("features")
    sentences = (
        _join((mass[0].upper() + mass[1:], _phrase("in ", said["tissue"])), " "),
        _phrase("It is ", _join((said["shape"], said["echo_pattern"], said["orientation"]))),
        _phrase("Its margins are ", said["margin"]),
        _phrase("There are " if are else "There is ", posterior),
        _phrase("There is ", said["halo"]),
        _phrase("There are ", said["calcification"]),
        said["birads"],
    )
    return _join(sentences, ". ") + "."


def _terse(said: Said) -> str:
    """Write a caption in key words."""
    head = _join((said["pathology"], said["birads"]))
    mass = _join((said["shape"], said["echo_pattern"], "mass"), " ")
    keys = (mass, said["margin"], said["orientation"], said["posterior"], said["halo"])
    told = _join((*keys, said["calcification"], said["size"], said["tissue"]))
    return _phrase("", head, ": ") + told


def _normal_sentence(said: Said) -> str:
    """Write that there is no lesion, in a sentence."""
    tissue = _phrase(" in ", said["tissue"])
    return f"Normal breast ultrasound, no mass{tissue}. {_phrase('', said['birads'], '.')}".strip()


def _normal_form(said: Said) -> str:
    """Write that there is no lesion, in key words."""
    return _join(("normal", said["tissue"], "no lesion", said["birads"]))


PHRASINGS: tuple[Callable[[Said], str], ...] = (_to_sentence, _form, _prose, _terse)
NORMAL: tuple[Callable[[Said], str], ...] = (_normal_sentence, _normal_form)
