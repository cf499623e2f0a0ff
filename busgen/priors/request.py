"""What a user asks of the prior: conditions that every finding meets, and target marginals.

In: settings such as ``pathology=malignant``, ``margin includes spiculated``, ``size_mm=8..20``, a
clinical text, a mapping of targets. Out: a frozen, hashable `Request`.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from busgen.errors import FindingError
from busgen.priors.conditions import DISCRETE, SIZES, Condition, check_term, to_margin
from busgen.priors.network import TERMS
from busgen.priors.text.parse import read_text


@dataclass(frozen=True)
class Share:
    """Wanted share of a field's terms among the findings (a lesion's field: among lesions)."""

    field: str
    shares: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Request:
    """Conditions and targets; `size_matched` gives all classes the same size distribution.

    `without` are conditions that no finding meets all together. Under `size_matched` the box area
    of every lesion follows the prior's own mixture of benign and malignant areas, whatever its
    pathology; limits on sizes or places are then refused.
    """

    where: tuple[Condition, ...] = ()
    targets: tuple[Share, ...] = ()
    size_matched: bool = False
    without: tuple[tuple[Condition, ...], ...] = ()


def parse_request(
    settings: Sequence[str], text: str | None, targets: Mapping[str, object] | None
) -> Request:
    """Return what the command line asks for.

    `settings`: each like ``pathology=malignant``, ``shape=oval|round``,
    ``margin=spiculated+indistinct`` (exactly these), ``margin includes spiculated``, ``margin
    excludes angular``, ``size_mm=14``, ``size_mm=8..20``, ``scanner=GE Logiq 7`` (of the engine);
    `text`: a clinical description; what it does not say stays open; `targets`: field -> term ->
    share, e.g. ``{"pathology": {"benign": .5, "malignant": .5}}``, ``{"margin": {"spiculated":
    .3}}``, and ``"size_matched": True``. Raises `FindingError` for unknown fields, terms and words,
    and for shares that are none.
    """
    where = tuple(_setting(setting) for setting in settings)
    if text:
        where += read_text(text).conditions
    targets = dict(targets or {})
    matched = targets.pop("size_matched", False)
    if not isinstance(matched, bool):
        raise FindingError("size_matched must be true or false", matched, "give one of them")
    return Request(where, tuple(_share(f, t) for f, t in targets.items()), matched)


def left_out(text: str | None) -> str:
    """Return a remark that names what of a user's text no finding holds, empty if nothing."""
    words = read_text(text).left_out if text else ()
    named = ", ".join(words).replace(" ' ", "'")
    return f"no finding holds this part of the text, it is left out: {named}" if words else ""


def _setting(setting: str) -> Condition:
    """Return the condition in one setting; raise `FindingError` if it is none."""
    found = re.fullmatch(r"\s*(\w+)\s*(=|\sincludes\s|\sexcludes\s)\s*(.+?)\s*", setting)
    if not found:
        rule = "a setting must be field=value, margin includes term or margin excludes term"
        raise FindingError(rule, repr(setting), "write e.g. pathology=malignant or size_mm=8..20")
    field, op, value = found[1], found[2].strip(), found[3].lower()
    if field in SIZES and op == "=":
        return _range(field, value)
    if field not in DISCRETE:
        rule = "a setting's field must be known"
        raise FindingError(rule, field, f"choose from {', '.join(DISCRETE + SIZES)}")
    if op != "=":
        if field != "margin":
            raise FindingError(f"{op} is for margin", setting, f"write {field}={value}")
        return Condition(field, op, (check_term(field, value),))
    terms = tuple(part.strip() for part in value.split("|"))
    if field == "margin":
        return Condition(field, "in", tuple(to_margin(term) for term in terms))
    return Condition(field, "in", tuple(check_term(field, term) for term in terms))


def _range(field: str, value: str) -> Condition:
    ends = value.split("..")
    try:
        low, high = float(ends[0]), float(ends[-1])
    except ValueError:
        low, high = 1.0, 0.0
    top = 1.0 if field.startswith("center") else math.inf
    if len(ends) > 2 or not 0 < low <= high <= top or not math.isfinite(high):
        unit = "fractions in (0, 1]" if top == 1 else "millimetres > 0"
        raise FindingError(f"{field} must be a number or low..high", value, f"give {unit}")
    return Condition(field, "range", (), low, high)


def _share(field: str, shares: object) -> Share:
    """Return one target, validated."""
    if field not in DISCRETE or field == "field_mm":
        names = ", ".join(name for name in DISCRETE if name != "field_mm")
        raise FindingError("a target's field must be known", field, f"{names} or size_matched")
    if not isinstance(shares, Mapping) or not shares:
        raise FindingError(f"target {field} must be term -> share", shares, "e.g. {benign: 0.5}")
    pairs = []
    for key, share in shares.items():
        term = check_term(field, {True: "yes", False: "no"}.get(key, str(key)))
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise FindingError(f"target {field}.{term} must be in [0, 1]", share, "give a share")
        pairs.append((term, float(share)))
    total = sum(share for _, share in pairs)
    if field == "margin":  # terms may stand together, so each has a share of its own
        return Share(field, tuple(pairs))
    if total > 1 + 1e-9 or (total < 1 - 1e-9 and len(pairs) == len(TERMS[field])):
        raise FindingError(f"shares of {field} must sum to 1", total, "scale them")
    return Share(field, tuple(pairs))
