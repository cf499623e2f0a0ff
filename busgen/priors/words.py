"""Finding -> text."""

import numpy as np

from busgen.priors.findings import Finding


def to_text(finding: Finding, rng: np.random.Generator) -> str:
    """Return the finding in words."""
    return ""
