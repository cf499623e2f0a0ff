"""Where the stages put what they make, in the checkout (dvc.yaml names the same)."""

from pathlib import Path

REAL = Path("data/real")
REFERENCE = Path("data/reference/reference.json")
PRIOR = Path("data/priors/prior.json")
WORK = Path("data/work")
CANDIDATES = Path("data/candidates")
RELEASE = Path("data/release")
QUALITY = Path("data/quality")
REPORT = Path("data/report")
