"""Mask engines by name.

In: a name, a size in pixels, for a learned engine its weights. Out: what turns findings into
masks. A new engine is one more name in `ENGINES` and a branch of `load_mask_engine`.
"""

from pathlib import Path

from busgen.code import hash_code
from busgen.errors import UserError
from busgen.io import sha256_bytes
from busgen.masks import curvature, raster
from busgen.masks.raster import MaskEngine

ENGINES = ("curvature", "semantic_curvature")  # by the lexicon's terms; as real outlines are


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
    if name == "curvature":
        key = f"{hash_code(curvature.__name__, raster.__name__)}{name}/{size_px}"
        return MaskEngine(name, sha256_bytes(key.encode()), size_px, curvature.draw_outlines)
    from busgen.masks.semantic_curvature import engine  # brings torch

    weights, outlines = engine.load_model(model, size_px)
    key = f"{hash_code(engine.__name__, raster.__name__)}{name}/{weights}/{size_px}"
    return MaskEngine(name, sha256_bytes(key.encode()), size_px, outlines)
