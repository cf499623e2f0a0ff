"""Sizes in a text -> conditions: "14 mm", "8 to 20 mm", "1.4 x 0.9 cm", "14 mm wide".

In: normalised text (`busgen.priors.parse.normalised`). Out: `Condition`s in mm, or the reason why
there are none. "14 x 9 mm" is width x height; one number is the largest side.
"""

import re
from collections.abc import Sequence

from busgen.errors import FindingError
from busgen.priors.conditions import Condition

_NUMBER = r"(\d+(?:\.\d+)?)"
SIZE = re.compile(
    rf"{_NUMBER}(?: (mm|cm))?(?: (x|by|to|and) {_NUMBER})?(?:(?: [mc]m)? (x|by) {_NUMBER})?"
    r" (mm|cm)\b(?: (?:in )?(wide|width|tall|high|height)\b)?"
)
_SIDES = {"wide": "width_mm", "width": "width_mm", None: "size_mm"}


def size_conditions(texts: Sequence[str]) -> list[Condition]:
    """Return the conditions in all size expressions; raise `FindingError` for a side twice."""
    conditions: list[Condition] = []
    for text in texts:
        new = _size(text)
        if set(new) <= set(conditions):
            continue  # the same again, such as 1.4 cm (14 mm)
        taken = {condition.field for condition in conditions}
        fields = {condition.field for condition in new}
        if taken & fields or (taken and "size_mm" in taken | fields):
            raise contradiction("size", list(texts))
        conditions += new
    return conditions


def _size(text: str) -> list[Condition]:
    """Return the conditions in one size expression."""
    match = SIZE.fullmatch(text)
    assert match  # the caller matched it
    first, unit, link, second, _, third, last_unit, side = match.groups()
    low = _mm(first, unit or last_unit)
    high = _mm(second, last_unit) if second else low
    if third or (link in {"x", "by"} and side):
        raise FindingError("a size must be width x height", text, "give two numbers, as 14 x 9 mm")
    if link in {"x", "by"}:
        ends = [("width_mm", low, low), ("height_mm", high, high)]
    else:
        ends = [(_SIDES.get(side, "height_mm"), low, high)]
    if min(low, high) <= 0 or any(start > stop for _, start, stop in ends):
        raise FindingError("a size must be > 0, ranges ascending", text, "e.g. 8 to 20 mm")
    return [Condition(name, "range", (), start, stop) for name, start, stop in ends]


def _mm(number: str, unit: str) -> float:
    return round(float(number) * (10 if unit == "cm" else 1), 6)


def contradiction(name: str, phrases: list[str]) -> FindingError:
    """Return the error for a field said in several ways."""
    return FindingError(f"text must not contradict itself on {name}", phrases, "keep one of them")
