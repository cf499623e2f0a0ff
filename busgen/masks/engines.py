"""Mask engines by name.

In: a name, a size in pixels, for a learned engine its weights. Out: what turns findings into
masks. A new engine is one more entry of `ENGINES`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from busgen.arrays import Pixels
from busgen.code import hash_code
from busgen.errors import UserError
from busgen.io import sha256_bytes
from busgen.masks import curvature, raster
from busgen.priors.findings import Finding


class MaskEngine(Protocol):
    """What draws masks; `sha256` is of everything that decides its output."""

    @property
    def name(self) -> str:
        """Name in `ENGINES`."""
        ...

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the sources and parameters that decide the output."""
        ...

    def draw(self, findings: Sequence[Finding]) -> Pixels:
        """Return (N, H, W) uint8 {0, 1}, all zero where a finding is normal."""
        ...


def _curvature(size_px: int, _model: Path | None) -> MaskEngine:
    """Return the engine that draws outlines by what the lexicon's terms mean."""
    sha256 = _hash("curvature", size_px, curvature.__name__, raster.__name__)
    return raster.Engine("curvature", sha256, size_px, curvature.draw_outlines)


def _semantic_curvature(size_px: int, model: Path | None) -> MaskEngine:
    """Return the engine that draws outlines as real ones are."""
    from busgen.masks.semantic_curvature import engine  # brings torch

    weights, outlines = engine.load_model(model, size_px)
    name = f"semantic_curvature/{weights}"
    sha256 = _hash(name, size_px, engine.__name__, raster.__name__)
    return raster.Engine("semantic_curvature", sha256, size_px, outlines)


def _hash(name: str, size_px: int, *code: str) -> str:
    return sha256_bytes(f"{hash_code(*code)}{name}/{size_px}".encode())


ENGINES: dict[str, Callable[[int, Path | None], MaskEngine]] = {
    "curvature": _curvature,
    "semantic_curvature": _semantic_curvature,
}


def load_mask_engine(name: str, size_px: int = 256, model: Path | None = None) -> MaskEngine:
    """Return the engine `name` for masks of `size_px` x `size_px` pixels.

    `model` is the folder of a learned engine's weights, None those that ship. Raises `UserError` if
    no engine has that name, or masks would be smaller than 16 pixels.
    """
    if name not in ENGINES:
        rule = "mask engine must be known"
        raise UserError(rule, repr(name), f"choose from {', '.join(ENGINES)}")
    if size_px < 16:
        raise UserError("size_px must be at least 16", size_px, "give the side of the masks")
    return ENGINES[name](size_px, model)
