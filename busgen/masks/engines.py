"""Mask engines by name.

In: a name, a size in pixels, for a learned engine its weights. Out: what turns findings into
masks. A new engine is one more entry of `ENGINES`.
"""

from pathlib import Path

from busgen.code import hash_code
from busgen.errors import UserError
from busgen.io import sha256_bytes
from busgen.masks import curvature, raster
from busgen.masks.raster import MaskEngine


def _curvature(size_px: int, _model: Path | None) -> MaskEngine:
    """Return the engine that draws outlines by what the lexicon's terms mean."""
    key = f"{hash_code(curvature.__name__, raster.__name__)}curvature/{size_px}"
    return MaskEngine("curvature", sha256_bytes(key.encode()), size_px, curvature.draw_outlines)


def _semantic_curvature(size_px: int, model: Path | None) -> MaskEngine:
    """Return the engine that draws outlines as real ones are."""
    from busgen.masks.semantic_curvature import engine  # brings torch

    name = "semantic_curvature"
    weights, outlines = engine.load_model(model, size_px)
    key = f"{hash_code(engine.__name__, raster.__name__)}{name}/{weights}/{size_px}"
    return MaskEngine(name, sha256_bytes(key.encode()), size_px, outlines)


ENGINES = {"curvature": _curvature, "semantic_curvature": _semantic_curvature}


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
