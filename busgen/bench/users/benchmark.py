"""Benchmark of the first five minutes: what users bring is read, what they take is opened.

In: nothing; layouts, exports and words are made by programs. Out: figures. A layout is read right,
or refused where names do not tell; one that is read otherwise is a silent misreading.
"""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from busgen.bench.harness import (
    Figure,
    Figures,
    measure_time,
    read_bars,
    run_process,
    run_python,
    share,
)
from busgen.bench.users.clients import open_exports
from busgen.bench.users.layouts import find_outcome, list_cases
from busgen.bench.users.words import run_words
from busgen.factory.library import make_release
from busgen.params.base import check
from busgen.params.gates import DEFAULT_GATES
from busgen.params.generate import GenerateParams
from busgen.params.load import Params
from busgen.params.release import ReleaseParams

BARS = read_bars("users")
WORDS, SAMPLES = 200, 24
GENERATE = ("-m", "busgen", "generate", "--n", "12", "--out", "made")


def measure(*, quick: bool = False) -> Figures:
    """Return the figures; `quick` takes some cases and words, and generates nothing large."""
    with TemporaryDirectory(prefix="busgen-bench-") as scratch:
        folder = Path(scratch)
        figures = _read_layouts(quick) | _open_clients(folder) | _try_words(folder, quick)
        if not quick:
            seconds = measure_time(lambda: run_python(folder, *GENERATE))
            figures["generate_12_s"] = Figure(seconds, "s", 12)
    return figures


def _read_layouts(quick: bool) -> Figures:
    cases = list_cases()[:: 6 if quick else 1]
    outcomes = [(case.refuse, find_outcome(case)) for case in cases]
    counts = Counter(outcomes)
    readable = sum(not refuse for refuse, _ in outcomes)
    misread = sum(outcome == "misread" for _, outcome in outcomes)
    return {
        "layouts": Figure(len(cases), "cases", len(cases)),
        "silent_misreadings": Figure(misread, "cases", len(cases)),
        "read_right": share(counts[False, "right"], readable),
        "refused": share(counts[True, "refused"], len(cases) - readable),
    }


def _open_clients(folder: Path) -> Figures:
    off = {name: gate.model_copy(update={"action": "off"}) for name, gate in DEFAULT_GATES.items()}
    request = GenerateParams(
        engine="phantom", mask_engine="curvature", n=SAMPLES, size_px=64, gates=off
    )
    splits = check(ReleaseParams, {"splits": {"train": 0.6, "test": 0.4}}, "the benchmark")
    make_release(Params(generate=request, release=splits), folder / "release")
    wrong = open_exports(folder / "release", folder / "exports")
    return {"clients_open": Figure(sum(not why for why in wrong.values()), "forms", len(wrong))}


def _try_words(folder: Path, quick: bool) -> Figures:
    count = WORDS // 10 if quick else WORDS
    found = run_process(run_words, folder, count)
    tracebacks = Figure(found["tracebacks"], "commands", count)
    return {"words_good": share(int(found["good"]), count), "words_tracebacks": tracebacks}
