"""Contradictions: combinations of terms that a radiologist would not believe, and no draw holds.

In: `assets/priors/contradictions.json`, each with the reason, its source, and how many lesions of
BrEaST hold it (none over 2 %). Out: factors that give them probability 0; which of them a row
holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from busgen import io
from busgen.priors.joint import Factor
from busgen.priors.network import LESION_NODES, TERMS

PATH = io.ASSETS / "priors" / "contradictions.json"


@dataclass(frozen=True)
class Rule:
    """Terms by column that exclude each other, a margin's among others, and why."""

    terms: tuple[tuple[str, str], ...]
    why: str
    source: str

    def __str__(self) -> str:
        """Return the terms as settings."""
        return " and ".join(f"{name}={term}" for name, term in self.terms)

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row has all of the terms."""
        return all(term in _terms(row[name]) for name, term in self.terms)

    @property
    def factor(self) -> Factor:
        """Return 0 where all terms stand together, else 1, over the network's nodes."""
        nodes = ["edge" if name == "margin" else name for name, _ in self.terms]
        sizes = [len(TERMS[node]) + (node in LESION_NODES) for node in nodes]
        table = np.ones(sizes)
        pairs = zip(nodes, self.terms, strict=True)
        table[tuple(TERMS[node].index(term) for node, (_, term) in pairs)] = 0.0
        return Factor(tuple(nodes), table)


@cache
def load() -> tuple[Rule, ...]:
    """Return those that ship."""
    rules = io.read_json(PATH)["rules"]
    return tuple(
        Rule(tuple(sorted(rule["terms"].items())), rule["why"], rule["source"]) for rule in rules
    )


def _terms(value: object) -> tuple[str, ...]:
    """Return a column's value as terms: none, one, or a margin's."""
    if isinstance(value, bool):
        return (("no", "yes")[value],)
    if isinstance(value, list | tuple):
        return tuple(map(str, value))
    return () if value is None else (str(value),)
