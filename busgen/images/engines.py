"""Image engines by name: findings and masks in, images out.

In: findings (N), masks (N, H, W) uint8 of 0 and 1. Out: images (N, H, W) uint8.
"""

from busgen.compute.cores import count_cores
from busgen.errors import UserError
from busgen.images.contract import ImageEngine, ModelOptions
from busgen.images.diffusion.scanners import LIKE
from busgen.priors.network import Prior
from busgen.priors.scanners import with_scanners

ENGINES = ("phantom", "diffusion", "stable_diffusion")
UNTAUGHT = frozenset({"phantom"})  # physics alone: no real image taught these engines


def engine_prior(engine: str, prior: Prior) -> Prior:
    """Return `prior` with the scanners that an engine has; `DataError` if they cannot be its."""
    return with_scanners(prior, LIKE) if engine == "diffusion" else prior


def load_image_engine(
    name: str,
    size_px: int = 256,
    device: str = "auto",
    threads: int | None = None,
    learned: ModelOptions | None = None,
) -> ImageEngine:
    """Return the image engine `name` of `ENGINES`, ready to render `size_px` (32 or more) a side.

    `device` is ``"auto"``, ``"cpu"`` or ``"cuda[:k]"``; the phantom computes on the CPU anyway.
    `threads` images are rendered at once, by default as many as the process has cores.
    """
    if name not in ENGINES:
        raise UserError("image engine must be a known one", repr(name), ", ".join(ENGINES))
    if size_px < 32:
        raise UserError("size_px must be at least 32", size_px, "256 is the usual")
    if name == "phantom":
        from busgen.images.phantom.engine import load_engine
    elif name == "diffusion":
        from busgen.images.diffusion.engine import load_engine  # brings torch and diffusers
    else:
        from busgen.images.stable_diffusion.engine import load_engine  # transformers too
    return load_engine(size_px, device, threads or count_cores(), learned or ModelOptions())
