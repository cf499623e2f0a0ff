"""What the denoising network is told: terms of the lexicon, mask planes, scanner style; the tokens.

In: findings, or captions of real images; masks (N, S, S) {0, 1}, names of styles. Out: tensors.
Terms are one column a term of the BI-RADS lexicon: for every slot 1 at its term and 0 elsewhere,
with "unstated" as each slot's last term. Any wording of one meaning is one finding
(`busgen.priors.text`), so it reaches the image as the same numbers. Each condition can be dropped:
then the network draws as if nobody had said it.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import cv2
import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from busgen import schema
from busgen.arrays import Floats32, Pixels
from busgen.errors import UserError
from busgen.images.diffusion.autoencoder import FACTOR
from busgen.images.diffusion.scanners import NO_STYLE, STYLES
from busgen.imaging.geometry import signed_distance

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
PLANES = FACTOR**2 + 2  # the mask's own pixels, its distance, and whether a mask is given at all
REACH = 8.0  # latents over which the distance to the outline is told


def slot_bounds() -> tuple[tuple[int, int], ...]:
    """Return the first column of each slot and the one after its last, in the order of `SLOTS`."""
    ends = list(accumulate(len(terms) for _, terms in SLOTS))
    return tuple(zip([0, *ends[:-1]], ends, strict=True))


def one_hot(stated: Mapping[str, Any]) -> Floats32:
    """Return what is stated as a row (N_TERMS,) of 0 and 1.

    `stated` field -> term, as `Finding` has them; None, or a field left out, is not stated. Fields
    that have no slot, sizes among them, are not examined: the mask shows them. Raises `UserError`
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


def leave_out(terms: Tensor, told: Tensor) -> Tensor:
    """Return `terms` (N, N_TERMS) with those slots unstated that are not `told` (N, slots)."""
    terms = terms.clone()
    for slot, (start, end) in enumerate(slot_bounds()):
        lost = ~told[:, slot].bool()
        terms[lost, start:end] = 0
        terms[lost, end - 1] = 1
    return terms


def make_planes(masks: Pixels, distances: Floats32 | None = None) -> Tensor:
    """Return masks (N, S, S) of 0 and 1 as planes (N, PLANES, S/8, S/8) beside the latents.

    Every pixel of the mask is told, 64 to a latent; then the signed distance to the outline,
    positive inside, clipped to `REACH` and divided by it; then 1, for "a mask is given". An empty
    mask is an image without a lesion, not a mask that is not given: that is `dropped`.
    `distances` (N, S/8, S/8) are computed unless they are known.
    """
    if distances is None:
        distances = np.stack([distance(mask) for mask in masks])
    count, side = masks.shape[0], masks.shape[-1] // FACTOR
    pixels = masks.reshape(count, side, FACTOR, side, FACTOR).transpose(0, 2, 4, 1, 3)
    planes = np.ones((count, PLANES, side, side), np.float32)
    planes[:, :-2] = pixels.reshape(count, FACTOR**2, side, side)
    planes[:, -2] = distances
    return torch.from_numpy(planes)


def distance(mask: Pixels) -> Floats32:
    """Return the signed distance (S/8, S/8) of latents' centres to the outline, -1 to 1."""
    side = len(mask) // FACTOR
    if not mask.any():
        return np.full((side, side), -1, np.float32)
    signed = cv2.resize(signed_distance(mask), (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(signed / (FACTOR * REACH), -1, 1), np.float32)


class FieldTokens(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """Terms of the lexicon (N, N_TERMS) -> one token a field (N, fields, width)."""

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.terms = nn.Parameter(torch.randn(N_TERMS, width))
        self.fields = nn.Parameter(torch.randn(len(SLOTS), width))
        member = torch.zeros(N_TERMS, len(SLOTS))
        for slot, (start, end) in enumerate(slot_bounds()):
            member[start:end, slot] = 1
        self.register_buffer("member", member, persistent=False)

    def forward(self, stated: Tensor) -> Tensor:
        """Return the embeddings of the terms that are `stated`, with the fields' added."""
        phrases = torch.einsum("nt,td,ts->nsd", stated, self.terms, self.member)
        tokens: Tensor = phrases + self.fields
        return tokens


def empty_text(count: int) -> Tensor:
    """Return the terms (count, N_TERMS) of findings of which nothing is said."""
    return torch.from_numpy(one_hot({})).expand(count, -1).clone()


def styles_for(scanners: Sequence[str], *, strange: bool = False) -> Tensor:
    """Return the styles (N,) int64 of findings' scanners.

    Raises `UserError` for a scanner that the training images do not have; where `strange` ones are
    welcome, they have no style.
    """
    if strange:
        styles = [STYLES.index(s) if s in STYLES else NO_STYLE for s in scanners]
        return torch.tensor(styles, dtype=torch.int64)
    for scanner in scanners:
        if scanner not in STYLES:
            rule = "scanner must be one that was learned"
            raise UserError(rule, repr(scanner), f"one of {', '.join(STYLES)}")
    return torch.tensor([STYLES.index(scanner) for scanner in scanners], dtype=torch.int64)
