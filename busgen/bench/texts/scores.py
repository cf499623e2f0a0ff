"""What a reader understands of descriptions, compared with what they state, field by field.

In: descriptions with their conditions, a reader. Out: figures. A field is right where every finding
that meets the reading meets the description, wrong where none does, invented where the text says
nothing of it.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from busgen.bench.harness import Figure, share
from busgen.priors.conditions import SIZES, Condition
from busgen.priors.network import TERMS
from busgen.priors.text.lexicon import normalise

Meaning = dict[str, frozenset[str] | tuple[float, float]]
ANY_LESION = frozenset({"benign", "malignant"})  # what the word mass says of pathology


@dataclass(frozen=True)
class Description:
    """A text, the conditions that it states, and what it says that no finding can hold."""

    text: str
    states: tuple[Condition, ...]
    named: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """What a reader understood, what it says that it did not, and whether it refuses the text."""

    conditions: tuple[Condition, ...]
    named: str = ""
    refused: bool = False


Reader = Callable[[str], Reading]


def meaning_of(conditions: Sequence[Condition]) -> Meaning:
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
    wanted = condition.op == "includes"
    return frozenset(
        t for t in TERMS[condition.field] if (condition.terms[0] in t.split("+")) == wanted
    )


def outcomes(stated: Meaning, read: Meaning) -> dict[str, str]:
    """Return for each field of either: right, vague, wrong, missed or invented."""
    found = {}
    for name in stated.keys() | read.keys():
        if name not in read:
            found[name] = "missed"
        elif name not in stated:
            found[name] = "invented"
        else:
            found[name] = _agreement(stated[name], read[name])
    return found


def _agreement(
    stated: frozenset[str] | tuple[float, float], read: frozenset[str] | tuple[float, float]
) -> str:
    if isinstance(stated, tuple) or isinstance(read, tuple):
        return "right" if stated == read else "wrong"
    if read <= stated:
        return "right"
    return "vague" if read & stated else "wrong"


def figures(descriptions: Sequence[Description], reader: Reader, name: str) -> dict[str, Figure]:
    """Return how well `reader` understands, named ``precision_NAME``, ``recall_FIELD_NAME``, ...

    ``exact`` texts are understood in every field, ``exact_terms`` in every field but sizes;
    ``misread`` ones have a field that is wrong or invented; ``named`` are phrases that no finding
    can hold and the reader says so.
    """
    counts: dict[str, Counter[str]] = {}
    texts: Counter[str] = Counter()
    phrases = 0
    for description in descriptions:
        reading, stated = reader(description.text), meaning_of(description.states)
        read = meaning_of(reading.conditions)
        each = outcomes(stated, read)
        for field, outcome in each.items():
            counts.setdefault(field, Counter())[outcome] += 1
        texts["exact"] += stated == read
        texts["exact_terms"] += _no_sizes(stated) == _no_sizes(read)
        texts["misread"] += bool({"wrong", "invented"} & set(each.values()))
        texts["refused"] += reading.refused
        texts["named"] += sum(is_named(phrase, reading.named) for phrase in description.named)
        phrases += len(description.named)
    n = len(descriptions)
    whole = {
        f"{key}_{name}": share(texts[key], n)
        for key in ("exact", "exact_terms", "misread", "refused")
    }
    whole[f"named_{name}"] = share(texts["named"], phrases)
    return whole | _by_field(counts, name)


def is_named(phrase: str, named: str) -> bool:
    """Return whether a reader names every word of a phrase as not understood."""
    return set(normalise(phrase).split()) <= set(normalise(named).split())


def _no_sizes(meaning: Meaning) -> Meaning:
    return {name: terms for name, terms in meaning.items() if name not in SIZES}


def _by_field(counts: Mapping[str, Counter[str]], name: str) -> dict[str, Figure]:
    """Return precision and recall of each field and of all together."""
    total: Counter[str] = sum(counts.values(), Counter())
    found: dict[str, Figure] = {}
    for field, own in {"": total, **dict(sorted(counts.items()))}.items():
        key = f"{field}_{name}".lstrip("_")
        read = own["right"] + own["vague"] + own["wrong"] + own["invented"]
        stated = own["right"] + own["vague"] + own["wrong"] + own["missed"]
        if read:
            found[f"precision_{key}"] = share(own["right"], read)
        if stated:
            found[f"recall_{key}"] = share(own["right"], stated)
    return found
