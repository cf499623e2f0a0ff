"""What the denoising network is told besides its text: mask planes, scanner style; and the tokens.

In: masks (N, S, S) {0, 1}, names of styles, terms of findings. Out: tensors. Each
condition can be dropped: then the network draws as if nobody had said it.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from busgen.arrays import Floats32, Pixels
from busgen.errors import UserError
from busgen.images.diffusion.autoencoder import FACTOR
from busgen.images.diffusion.scanners import STYLES
from busgen.images.diffusion.terms import N_TERMS, SLOTS, one_hot, slot_bounds
from busgen.imaging.geometry import signed_distance

PLANES = FACTOR**2 + 2  # the mask's own pixels, its distance, and whether a mask is given at all
REACH = 8.0  # latents over which the distance to the outline is told


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
        said = torch.einsum("nt,td,ts->nsd", stated, self.terms, self.member)
        tokens: Tensor = said + self.fields
        return tokens


def empty_text(count: int) -> Tensor:
    """Return the terms (count, N_TERMS) of findings of which nothing is said."""
    return torch.from_numpy(one_hot({})).expand(count, -1).clone()


def styles_for(scanners: Sequence[str]) -> Tensor:
    """Return the styles (N,) int64 of findings' scanners.

    Raises `UserError` for a scanner that the training images do not have.
    """
    for scanner in scanners:
        if scanner not in STYLES:
            rule = "scanner must be one that was learned"
            raise UserError(rule, repr(scanner), f"one of {', '.join(STYLES)}")
    return torch.tensor([STYLES.index(scanner) for scanner in scanners], dtype=torch.int64)
