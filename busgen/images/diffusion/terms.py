"""A finding's terms as the network gets them: one column a term of the BI-RADS lexicon.

In: findings, or captions of real images. Out: for every slot 1 at its term and 0 elsewhere, with
"unstated" as each slot's last term. Any wording of one meaning is one finding
(`busgen.priors.text`), so it reaches the image as the same numbers.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from busgen import schema
from busgen.arrays import Floats32
from busgen.errors import UserError

UNSTATED = "unstated"
SLOTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("pathology", (*schema.PATHOLOGIES, UNSTATED)),
    ("birads", (*schema.BIRADS, UNSTATED)),
    ("tissue", (*schema.TISSUES, UNSTATED)),
    ("shape", (*schema.SHAPES, UNSTATED)),
    ("orientation", (*schema.ORIENTATIONS, UNSTATED)),
    *((f"margin_{term}", ("yes", UNSTATED)) for term in schema.MARGINS),
    ("echo_pattern", (*schema.ECHO_PATTERNS, UNSTATED)),
    ("posterior", (*schema.POSTERIORS, UNSTATED)),
    ("halo", ("yes", "no", UNSTATED)),
    ("calcification", (*schema.CALCIFICATIONS, UNSTATED)),
)
N_TERMS = sum(len(terms) for _, terms in SLOTS)
_HALO = {True: "yes", False: "no"}


def slot_bounds() -> tuple[tuple[int, int], ...]:
    """Return the first column of each slot and the one after its last, in the order of `SLOTS`."""
    ends = list(accumulate(len(terms) for _, terms in SLOTS))
    return tuple(zip([0, *ends[:-1]], ends, strict=True))


def one_hot(stated: Mapping[str, Any]) -> Floats32:
    """Return what is stated as a row (N_TERMS,) of 0 and 1.

    `stated` field -> term, as `Finding` has them; None, or a field left out, is not stated. Fields
    that have no slot, sizes among them, are not looked at: the mask shows them. Raises `UserError`
    for a term that is not the lexicon's.
    """
    row = np.zeros(N_TERMS, np.float32)
    margin = stated.get("margin") or ()
    if wrong := set(margin) - set(schema.MARGINS):
        raise UserError("margin must be the lexicon's", sorted(wrong), str(schema.MARGINS))
    for (name, terms), (start, _) in zip(SLOTS, slot_bounds(), strict=True):
        value = stated.get(name)
        if name.startswith("margin_"):
            value = "yes" if name.removeprefix("margin_") in margin else None
        term = UNSTATED if value is None else _HALO.get(value, value)
        if term not in terms:
            raise UserError(f"{name} must be one of the lexicon's terms", term, str(terms))
        row[start + terms.index(term)] = 1
    return row


def terms_of(stated: Sequence[Any]) -> Tensor:
    """Return the terms (N, N_TERMS) of N findings or captions."""
    rows = [one_hot(vars(each)) for each in stated]
    return torch.from_numpy(np.array(rows, np.float32).reshape(-1, N_TERMS))
