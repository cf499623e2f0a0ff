"""What an image engine is: findings and masks in, images out.

In: findings (N), masks (N, H, W) uint8 of 0 and 1. Out: images (N, H, W) uint8.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from busgen.arrays import Pixels
from busgen.errors import UserError
from busgen.priors.findings import Finding


@dataclass(frozen=True)
class ModelOptions:
    """What a learned engine runs; None stands for what ships or for the model's own default.

    `model` folder of the weights (for `stable_diffusion`, or a hub's name); `adapter` name of an
    adapter in the model's folder; `steps` of the sampler; `guidance` strength, 1 is none.
    """

    model: str | None = None
    adapter: str | None = None
    steps: int | None = None
    guidance: float | None = None


class ImageEngine(Protocol):
    """Draws images of findings inside given masks."""

    @property
    def name(self) -> str:
        """Name in `ENGINES`."""

    @property
    def sha256(self) -> str:
        """Hash of everything that decides the engine's output."""

    @property
    def drawn_px(self) -> int:
        """Side of the images that it draws, px; they are resampled to the side asked for."""

    def render(self, findings: Sequence[Finding], masks: Pixels) -> Pixels:
        """Return images (N, H, W) uint8 of `findings` (N) with `masks` (N, H, W) of 0 and 1."""


def require_masks(findings: Sequence[Finding], masks: Pixels, size_px: int) -> None:
    """Raise `UserError` unless there is one {0, 1} mask of `size_px` a finding."""
    want = (len(findings), size_px, size_px)
    if masks.shape != want or masks.dtype != np.uint8:
        got = f"{masks.shape} {masks.dtype}"
        raise UserError(f"masks must be uint8 of shape {want}", got, "draw one mask a finding")
    if masks.max(initial=0) > 1:
        raise UserError("masks must hold 0 and 1", int(masks.max()), "divide by 255")
