"""Conditions on a finding, the spelling of their terms, and sizes in a text.

In: a field and what is asked of it, from a setting or a text: "14 mm", "8 to 20 mm", "1.4 x 0.9
cm", "14 mm wide". Out: `Condition`s, sizes in mm, or the reason why there are none. "14 x 9 mm" is
width x height; one number is the largest side.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from busgen import schema
from busgen.errors import FindingError
from busgen.priors.network import HIDDEN, TERMS

SIZES = ("size_mm", "width_mm", "height_mm", "center_x", "center_y")
DISCRETE = (*(name for name in TERMS if name not in HIDDEN), "field_mm")
_WORDS = {"true": "yes", "present": "yes", "false": "no", "absent": "no"}
_NUMBER = r"\d+(?:\.\d+)?"
_SIDES = {
    **dict.fromkeys(("wide", "width", "transverse"), "width_mm"),
    **dict.fromkeys(("tall", "high", "height", "ap", "depth extent"), "height_mm"),
}
_NAMES = "|".join(_SIDES)
MOST_SIDES = 2  # width and height, or the largest side and one of them
SIZE = re.compile(
    rf"(?:(?P<lead>{_NAMES}) (?:of |is )?)?(?P<first>{_NUMBER})(?: (?P<unit>mm|cm))?"
    rf"(?: (?:in )?(?P<side>{_NAMES}))?(?: (?P<link>x|by|to|and) (?P<second>{_NUMBER}))?"
    rf"(?:(?: [mc]m)? (?:x|by) (?P<third>{_NUMBER}))?"
    rf" (?P<last_unit>mm|cm)\b(?: (?:in )?(?P<last_side>{_NAMES})\b)?"
)
CONTRADICTION = "text must not contradict itself on {}"


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


def parse_sizes(texts: Sequence[str]) -> list[Condition]:
    """Return the conditions in all size expressions; raise `FindingError` for a side twice."""
    conditions: list[Condition] = []
    for text in texts:
        new = _size(text)
        if set(new) <= set(conditions):
            continue  # the same again, such as 1.4 cm (14 mm)
        taken = {condition.field for condition in conditions}
        fields = {condition.field for condition in new}
        if taken & fields or len(taken | fields) > MOST_SIDES:
            raise FindingError(CONTRADICTION.format("size"), list(texts), "keep one of them")
        conditions += new
    return conditions


def _size(text: str) -> list[Condition]:
    """Return the conditions in one size expression."""
    match = SIZE.fullmatch(text)
    assert match  # the caller matched it
    phrases = match.groupdict()
    mm = {"mm": 1, "cm": 10}
    low = round(float(phrases["first"]) * mm[phrases["unit"] or phrases["last_unit"]], 6)
    high = (
        round(float(phrases["second"]) * mm[phrases["last_unit"]], 6) if phrases["second"] else low
    )
    sides = [phrases["side"], phrases["last_side"]]
    by = phrases["link"] in {"x", "by"} or (phrases["second"] and all(sides))
    fields = [_SIDES[side] for side in sides if side] or ["width_mm", "height_mm"]
    if phrases["third"] or (by and len(set(fields)) < len(sides)):
        raise FindingError("a size must be width x height", text, "give two numbers, as 14 x 9 mm")
    if by:
        ends = [(fields[0], low, low), (fields[1], high, high)]
    else:
        side = phrases["lead"] or phrases["side"] or phrases["last_side"]
        ends = [(_SIDES[side] if side else "size_mm", low, high)]
    if min(low, high) <= 0 or any(start > stop for _, start, stop in ends):
        raise FindingError("a size must be > 0, ranges ascending", text, "e.g. 8 to 20 mm")
    return [Condition(name, "range", (), start, stop) for name, start, stop in ends]
