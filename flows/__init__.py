"""Flows: thin Prefect shells around busgen; the only place that imports prefect.

Each stage is `python -m flows.<stage>`, as dvc.yaml calls it. Against a running server
(`PREFECT_API_URL`) a flow takes seconds; without one, Prefect starts its own for the process.
"""

import atexit
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from busgen.errors import UserError
from busgen.io import dumps, read_json, write_text
from busgen.params.base import load_section
from busgen.params.real import RealParams
from busgen.server import make_environment

PR_SET_PDEATHSIG = 1  # of Linux's prctl(2): the signal that comes when the parent ends
if sys.platform == "linux" and "DVC_STAGE" in os.environ:  # a stage ends with the DVC it serves
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

_ENVIRONMENT = make_environment(os.environ)
for _name in {*os.environ} - {*_ENVIRONMENT}:
    del os.environ[_name]
os.environ.update(_ENVIRONMENT)
ENVIRONMENT = {
    "PREFECT_HOME": str(Path.cwd() / ".prefect"),
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # logs go to the server; `main` speaks
    "DO_NOT_TRACK": "1",
}
for _name, _value in ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

# where the stages put what they make, in the checkout (dvc.yaml names the same)
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


def main(flow: Callable[[], object]) -> None:
    """Run a stage's flow and end the process; a user's mistake is one message and exit code 2.

    The process ends without tearing Python down: DuckDB's binding would report, falsely and at
    length, that Prefect's threads leaked it.
    """
    code, start = 0, time.monotonic()
    try:
        flow()
        if stage := os.environ.get("DVC_STAGE"):
            write_record(stage, time.monotonic() - start)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        code = 2
        with suppress(OSError):
            MISTAKE.touch()
    atexit._run_exitfuncs()  # Prefect sends its last logs and stops a server of its own here
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


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
