"""Image engines by name: findings and masks in, pictures out.

In: findings (N), masks (N, H, W) uint8 of 0 and 1. Out: pictures (N, H, W) uint8.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from busgen import io, seeds
from busgen.errors import UserError
from busgen.images.phantom import renderer
from busgen.priors.findings import Finding

PHANTOM_MODULES = (
    "acoustics",
    "anatomy",
    "beams",
    "layers",
    "lesion",
    "phantom",
    "reflectors",
    "scanners",
    "texture",
)


@dataclass(frozen=True)
class Learned:
    """What a learned engine runs; None stands for what ships or for the model's own default.

    `model` folder of the weights (for `stable_diffusion`, or a hub's name); `adapter` name of an
    adapter in the model's folder; `steps` of the sampler; `guidance` strength, 1 is none.
    """

    model: str | None = None
    adapter: str | None = None
    steps: int | None = None
    guidance: float | None = None


class ImageEngine(Protocol):
    """Draws pictures of findings inside given masks."""

    @property
    def name(self) -> str:
        """Name in `ENGINES`."""

    @property
    def sha256(self) -> str:
        """Hash of everything that decides the engine's output."""

    def render(self, findings: Sequence[Finding], masks: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return pictures (N, H, W) uint8 of `findings` (N) with `masks` (N, H, W) of 0 and 1."""


@dataclass(frozen=True)
class PhantomEngine:
    """The physics renderer, one picture a task on `threads` threads."""

    size_px: int
    threads: int
    sha256: str
    name: str = "phantom"

    def render(self, findings: Sequence[Finding], masks: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return pictures (N, H, W) uint8; raise `UserError` where the masks do not fit.

        A picture depends on its finding and its mask only, not on the batch or the threads.
        """
        want = (len(findings), self.size_px, self.size_px)
        if masks.shape != want or masks.dtype != np.uint8:
            got = f"{masks.shape} {masks.dtype}"
            raise UserError(f"masks must be uint8 of shape {want}", got, "draw one mask a finding")
        with ThreadPoolExecutor(self.threads) as pool:
            pictures = list(pool.map(renderer.render_one, findings, masks))
        return np.stack(pictures) if pictures else np.zeros(want, np.uint8)


def _load_phantom(size_px: int, _device: str, threads: int, learned: Learned) -> ImageEngine:
    if learned != Learned(learned.model):
        rule = "phantom has no weights: adapter, steps and guidance must be null"
        raise UserError(rule, learned, "name a learned engine, or leave them out")
    here = Path(__file__).parent
    sources = [(here / f"{module}.py").read_bytes() for module in PHANTOM_MODULES]
    sources.append(Path(seeds.__file__).read_bytes())
    return PhantomEngine(size_px, threads, io.sha256_bytes(b"\0".join(sources)))


def _load_diffusion(size_px: int, device: str, threads: int, learned: Learned) -> ImageEngine:
    from busgen.images.diffusion.engine import load_diffusion  # brings torch and diffusers

    return load_diffusion(size_px, device, threads, learned)


def _load_stable_diffusion(
    size_px: int, device: str, threads: int, learned: Learned
) -> ImageEngine:
    from busgen.images.stable_diffusion import engine  # brings torch, diffusers and transformers

    return engine.load(size_px, device, threads, learned)


UNTAUGHT = frozenset({"phantom"})  # physics alone: no real picture taught these engines
ENGINES: dict[str, Callable[[int, str, int, Learned], ImageEngine]] = {
    "phantom": _load_phantom,
    "diffusion": _load_diffusion,
    "stable_diffusion": _load_stable_diffusion,
}


def load_image_engine(
    name: str,
    size_px: int = 256,
    device: str = "auto",
    threads: int | None = None,
    learned: Learned | None = None,
) -> ImageEngine:
    """Return the image engine `name`, ready to render pictures of `size_px` pixels a side.

    Parameters
    ----------
    name
        Key of `ENGINES`.
    size_px
        Side of the pictures, at least 32.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda[:k]"``; the phantom computes on the CPU anyway.
    threads
        Pictures rendered at once; by default as many as the machine has cores.
    learned
        Weights and sampler of a learned engine; `phantom` looks at no weights.
    """
    if name not in ENGINES:
        raise UserError("image engine must be a known one", repr(name), ", ".join(ENGINES))
    if size_px < 32:
        raise UserError("size_px must be at least 32", size_px, "256 is the usual")
    return ENGINES[name](size_px, device, threads or os.cpu_count() or 1, learned or Learned())
