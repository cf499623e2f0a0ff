"""Conditions on a finding, and the spelling of their terms.

In: a field and what is asked of it, from a setting or a text. Out: `Condition`s.
"""

import math
from dataclasses import dataclass

from busgen import schema
from busgen.errors import FindingError
from busgen.priors.network import TERMS

SIZES = ("size_mm", "width_mm", "height_mm", "center_x", "center_y")
DISCRETE = (*(name for name in TERMS if name != "outline"), "field_mm")
_WORDS = {"true": "yes", "present": "yes", "false": "no", "absent": "no"}


@dataclass(frozen=True)
class Condition:
    """One condition: `op` is ``in``, ``includes``, ``excludes`` (a margin term) or ``range``.

    `terms` are the admissible terms (margins as ``indistinct+spiculated``, meaning exactly these);
    `low` and `high` are the ends of a range, equal for an exact value.
    """

    field: str
    op: str
    terms: tuple[str, ...] = ()
    low: float = 0.0
    high: float = math.inf

    def __str__(self) -> str:
        """Return the condition as a user writes it."""
        if self.op == "in":
            return f"{self.field}={'|'.join(self.terms)}"
        if self.op == "range":
            ends = f"{self.low:g}" + ("" if self.low == self.high else f"..{self.high:g}")
            return f"{self.field}={ends}"
        return f"{self.field} {self.op} {self.terms[0]}"


def check_term(field: str, term: str) -> str:
    """Return the lexicon's spelling of `term`; raise `FindingError` where it is unknown."""
    term = _key(term.strip())
    term = _WORDS.get(term, term) if field == "halo" else term
    if field == "field_mm":
        return term.removesuffix("_mm").removesuffix("mm").removesuffix(".0")
    known = schema.MARGINS if field == "margin" else TERMS[field]
    spelling = {_key(name): name for name in known}
    if term not in spelling:
        rule = f"{field} must be one of the lexicon's terms"
        raise FindingError(rule, repr(term), f"one of {', '.join(known)}")
    return spelling[term]


def _key(term: str) -> str:
    """Return a term without what users write in different ways: case, hyphens, spaces."""
    return term.lower().replace("-", "_").replace(" ", "_")


def to_margin(value: str) -> str:
    """Return margin terms joined by ``+`` in lexicon order; circumscribed stands alone."""
    terms = {check_term("margin", term) for term in value.split("+")}
    if "circumscribed" in terms and len(terms) > 1:
        raise FindingError("circumscribed must stand alone", value, "drop it or the other terms")
    return "+".join(term for term in schema.MARGINS if term in terms)
