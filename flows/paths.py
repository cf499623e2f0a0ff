"""Where the stages put what they make, in the checkout (dvc.yaml names the same)."""

from pathlib import Path

from busgen.errors import UserError
from busgen.io import dumps, read_json, write_text
from busgen.params.base import load_section
from busgen.params.real import RealParams

REAL = Path("data/real")
COHORT = Path("data/cohort")
REFERENCE = Path("data/reference")
PRIOR = Path("data/priors/prior.json")
MODELS = Path("data/models")
COSTS = Path("data/costs.json")  # seconds of each stage's last run; a version records them
WORK = Path("data/work")
MISTAKE = WORK / "mistake"  # tells `busgen run` that a stage ended for the user's mistake
CANDIDATES = Path("data/candidates")
RELEASE = Path("data/release")
QUALITY = Path("data/quality")
REFUSED = Path("data/refused")  # scores of a release that its limits refuse
DOWNSTREAM = Path("data/downstream")
REPORT = Path("data/report")
PUBLISHED_REFERENCE = Path("busgen/assets/reference")


def write_record(stage: str, seconds: float) -> None:
    """Keep how long a stage took on the clock; no DVC output, as no clock time enters one."""
    known = read_json(COSTS) if COSTS.is_file() else {}
    write_text(COSTS, dumps(known | {stage: round(seconds, 1)}))


def find_tables() -> list[Path]:
    """Return the canonical tables of the datasets that params.yaml names."""
    datasets = load_section("real", RealParams).datasets
    if not datasets:
        rule = "params.yaml must name a real dataset in real.datasets"
        raise UserError(rule, "none", "e.g. {breast: data/raw/BrEaST}")
    return [REAL / name / "table.parquet" for name in sorted(datasets)]
