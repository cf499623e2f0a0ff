"""Where the stages put what they make, in the checkout (dvc.yaml names the same)."""

from pathlib import Path

from busgen.params import Params

REAL = Path("data/real")
REFERENCE = Path("data/reference/reference.json")
PRIOR = Path("data/priors/prior.json")
WORK = Path("data/work")
CANDIDATES = Path("data/candidates")
RELEASE = Path("data/release")
QUALITY = Path("data/quality")
REPORT = Path("data/report")
PUBLISHED_REFERENCE = Path("busgen/assets/reference/breast.json")


def reference_path(params: Params) -> Path:
    """Return the real statistics that the release is compared with."""
    return params.quality.reference or PUBLISHED_REFERENCE
