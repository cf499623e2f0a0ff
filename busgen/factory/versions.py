"""The versions of all that decides a release's bytes, on this machine: code, weights, libraries.

In: nothing. Out: words that a plan records and every worker compares.
"""

from functools import cache
from platform import python_version

import busgen
from busgen import io
from busgen.code import hash_code
from busgen.extras import versions

WEIGHTS = (  # that measure every sample, in `busgen/assets`
    *("overlays/strokes.safetensors", "gates/look.safetensors", "gates/mask_fit.safetensors"),
    "gates/lesions.json",
)
TOOLS = ("diffusers", "numpy", "opencv-python-headless", "pyarrow", "scipy", "torch")


@cache
def find_tools() -> dict[str, str]:
    """Return the versions of Python and the libraries that decide bytes, on this machine."""
    return {"python": python_version()} | versions(TOOLS)


@cache
def code_version() -> str:
    """Return version and hash of the code that decides a release, e.g. ``0.1.0+1f2e3d4c5b6a``.

    The code, not the commit: a commit that changes the report remakes nothing.
    """
    code = hash_code("busgen.factory.shard", "busgen.factory.rounds")
    key = code + "".join(io.sha256_file(io.ASSETS / name) for name in WEIGHTS)
    return f"{busgen.__version__}+{io.sha256_bytes(key.encode())[:12]}"
