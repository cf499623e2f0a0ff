"""Sizes in a text -> conditions: "14 mm", "8 to 20 mm", "1.4 x 0.9 cm", "14 mm wide".

In: text as `busgen.priors.text.lexicon` has it. Out: `Condition`s in mm, or the reason why there
are none. "14 x 9 mm" is width x height; one number is the largest side.
"""

import re
from collections.abc import Sequence

from busgen.errors import FindingError
from busgen.priors.conditions import Condition

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
            raise contradiction_error("size", list(texts))
        conditions += new
    return conditions


def _size(text: str) -> list[Condition]:
    """Return the conditions in one size expression."""
    match = SIZE.fullmatch(text)
    assert match  # the caller matched it
    said = match.groupdict()
    low = _mm(said["first"], said["unit"] or said["last_unit"])
    high = _mm(said["second"], said["last_unit"]) if said["second"] else low
    sides = [said["side"], said["last_side"]]
    by = said["link"] in {"x", "by"} or (said["second"] and all(sides))
    fields = [_SIDES[side] for side in sides if side] or ["width_mm", "height_mm"]
    if said["third"] or (by and len(set(fields)) < len(sides)):
        raise FindingError("a size must be width x height", text, "give two numbers, as 14 x 9 mm")
    if by:
        ends = [(fields[0], low, low), (fields[1], high, high)]
    else:
        side = said["lead"] or said["side"] or said["last_side"]
        ends = [(_SIDES[side] if side else "size_mm", low, high)]
    if min(low, high) <= 0 or any(start > stop for _, start, stop in ends):
        raise FindingError("a size must be > 0, ranges ascending", text, "e.g. 8 to 20 mm")
    return [Condition(name, "range", (), start, stop) for name, start, stop in ends]


def _mm(number: str, unit: str) -> float:
    return round(float(number) * (10 if unit == "cm" else 1), 6)


def contradiction_error(name: str, phrases: list[str]) -> FindingError:
    """Return the error for a field said in several ways."""
    return FindingError(f"text must not contradict itself on {name}", phrases, "keep one of them")
