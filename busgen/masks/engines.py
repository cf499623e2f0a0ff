"""Mask engines by name.

In: a name and a size in pixels. Out: what turns findings into masks. A new engine is one more
entry of `ENGINES`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from busgen.errors import UserError
from busgen.io import sha256_bytes, sha256_file
from busgen.masks.curvature import CurvatureEngine
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

    def draw(self, findings: Sequence[Finding]) -> NDArray[np.uint8]:
        """Return (N, H, W) uint8 {0, 1}, all zero where a finding is normal."""
        ...


def _curvature(size_px: int) -> MaskEngine:
    """Return the engine that draws outlines in curvature space."""
    here = Path(__file__).parent
    sources = [here / f"{name}.py" for name in ("closed", "semantics", "curvature")]
    sources.append(here.parent / "seeds.py")
    key = "".join(sha256_file(source) for source in sources) + f"curvature/{size_px}"
    return CurvatureEngine("curvature", sha256_bytes(key.encode()), size_px)


ENGINES: dict[str, Callable[[int], MaskEngine]] = {"curvature": _curvature}


def load_mask_engine(name: str, size_px: int = 256) -> MaskEngine:
    """Return the engine `name` for masks of `size_px` x `size_px` pixels.

    Raises
    ------
    UserError
        If no engine has that name, or masks would be smaller than 16 pixels.
    """
    if name not in ENGINES:
        raise UserError(
            "mask engine must be known", repr(name), f"choose from {', '.join(ENGINES)}"
        )
    if size_px < 16:
        raise UserError("size_px must be at least 16", size_px, "give the side of the masks")
    return ENGINES[name](size_px)
