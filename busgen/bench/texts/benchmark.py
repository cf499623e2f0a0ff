"""Benchmark of texts: 200 descriptions as radiologists phrase them, read by the parser.

In: `descriptions.jsonl`, each text with the conditions that it states. Out: figures on the half
that the parser's words were chosen on, and on the half that was kept apart. A field is right where
every finding that meets the reading meets the description, wrong where none does, invented where
the text says nothing of it.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from busgen.bench.harness import Figures, read_bars, share
from busgen.errors import FindingError
from busgen.priors.conditions import SIZES, Condition
from busgen.priors.network import TERMS
from busgen.priors.request import _setting
from busgen.priors.text.lexicon import normalise
from busgen.priors.text.parse import read_text

Meaning = dict[str, frozenset[str] | tuple[float, float]]
ANY_LESION = frozenset({"benign", "malignant"})  # what the word mass says of pathology


class Description(NamedTuple):
    """A text, the conditions that it states, and what it says that no finding can hold."""

    text: str
    states: tuple[Condition, ...]
    named: tuple[str, ...]


class Reading(NamedTuple):
    """What a reader understood, what it says that it did not, and whether it refuses the text."""

    conditions: tuple[Condition, ...]
    named: str = ""
    refused: bool = False


Reader = Callable[[str], Reading]


def _meaning_of(conditions: Sequence[Condition]) -> Meaning:
    """Return what conditions leave possible, by field; that there is some lesion is not kept."""
    sizes = {c.field: (c.low, c.high) for c in conditions if c.field in SIZES}
    terms: dict[str, frozenset[str]] = {}
    for condition in conditions:
        if condition.field not in SIZES:
            own = _terms(condition)
            terms[condition.field] = terms.get(condition.field, own) & own
    if terms.get("pathology") == ANY_LESION:
        del terms["pathology"]
    return {**terms, **sizes}


def _terms(condition: Condition) -> frozenset[str]:
    """Return the terms, or sets of margin terms, that a condition leaves possible."""
    if condition.op == "in":
        return frozenset(condition.terms)
    wanted, (term, *_) = condition.op == "includes", condition.terms
    return frozenset(t for t in TERMS[condition.field] if (term in t.split("+")) == wanted)


def outcomes(stated: Meaning, read: Meaning) -> dict[str, str]:
    """Return for each field of either: right, vague, wrong, missed or invented."""
    found = {}
    for name in stated.keys() | read.keys():
        phrases, understood = stated.get(name), read.get(name)
        if understood is None or phrases is None:
            found[name] = "missed" if understood is None else "invented"
        elif isinstance(phrases, tuple) or isinstance(understood, tuple):
            found[name] = "right" if phrases == understood else "wrong"
        elif understood <= phrases:
            found[name] = "right"
        else:
            found[name] = "vague" if understood & phrases else "wrong"
    return found


def figures(descriptions: Sequence[Description], reader: Reader, name: str) -> Figures:
    """Return how well `reader` understands, named ``precision_NAME``, ``recall_FIELD_NAME``, ...

    ``exact`` texts are understood in every field, ``exact_terms`` in every field but sizes;
    ``misread`` ones have a field that is wrong or invented; ``named`` are phrases that no finding
    can hold and the reader says so.
    """
    counts: dict[str, Counter[str]] = {}
    texts: Counter[str] = Counter()
    phrases = 0
    for description in descriptions:
        reading, stated = reader(description.text), _meaning_of(description.states)
        read = _meaning_of(reading.conditions)
        each = outcomes(stated, read)
        for field, outcome in each.items():
            counts.setdefault(field, Counter())[outcome] += 1
        texts["exact"] += stated == read
        differ = {field for field in each if stated.get(field) != read.get(field)}
        texts["exact_terms"] += differ <= set(SIZES)
        texts["misread"] += bool({"wrong", "invented"} & set(each.values()))
        texts["refused"] += reading.refused
        texts["named"] += sum(_is_named(phrase, reading.named) for phrase in description.named)
        phrases += len(description.named)
    n = len(descriptions)
    names = ("exact", "exact_terms", "misread", "refused")
    whole = {f"{key}_{name}": share(texts[key], n) for key in names}
    whole[f"named_{name}"] = share(texts["named"], phrases)
    return whole | _by_field(counts, name)


def _is_named(phrase: str, named: str) -> bool:
    """Return whether a reader names every word of a phrase as not understood."""
    return set(normalise(phrase).split()) <= set(normalise(named).split())


def _by_field(counts: Mapping[str, Counter[str]], name: str) -> Figures:
    """Return precision and recall of each field and of all together."""
    total: Counter[str] = sum(counts.values(), Counter())
    found: Figures = {}
    for field, own in {"": total, **dict(sorted(counts.items()))}.items():
        key = f"{field}_{name}".lstrip("_")
        read = own["right"] + own["vague"] + own["wrong"] + own["invented"]
        stated = own["right"] + own["vague"] + own["wrong"] + own["missed"]
        if read:
            found[f"precision_{key}"] = share(own["right"], read)
        if stated:
            found[f"recall_{key}"] = share(own["right"], stated)
    return found


DESCRIPTIONS = Path(__file__).with_name("descriptions.jsonl")
BARS = read_bars("texts")


def measure(quick: bool = False) -> Figures:
    """Return the figures of both halves; `quick` reads the first one alone."""
    found: Figures = {}
    for half in ("development",) if quick else ("development", "held_out"):
        found |= figures(_read_half(half), parse, half)
    return found


def _read_half(half: str) -> list[Description]:
    """Return the descriptions of the ``development`` or the ``held_out`` half.

    A text's half follows from its hash.
    """
    rows = map(json.loads, DESCRIPTIONS.read_text(encoding="utf-8").splitlines())
    return [
        Description(row["text"], tuple(_setting(s) for s in row["states"]), tuple(row["named"]))
        for row in rows
        if (half == "held_out") == bool(sha256(row["text"].encode()).digest()[-1] % 2)
    ]


def parse(text: str) -> Reading:
    """Return what the parser understands; a text with unknown words is refused whole."""
    try:
        understood = read_text(text)
    except FindingError as error:
        return Reading((), str(error), refused=True)
    return Reading(understood.conditions, " ".join(understood.left_out))
