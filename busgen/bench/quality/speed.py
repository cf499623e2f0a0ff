"""Time and memory of gates, scores and report at ten thousand images.

In: canonical real data with its cohort, known images. Out: figures; each run is a process of its
own on two threads. Images are copies of some that the default engine draws (`quality_rows`): they
measure time alone.
"""

import json
import time
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from busgen.arrays import Pixels
from busgen.bench.factory import benchmark
from busgen.bench.factory.benchmark import measure_time
from busgen.bench.harness import Bar, Figure
from busgen.bench.quality.rows import make_rows
from busgen.bench.real.reading import TOLD
from busgen.compute.cores import on_all_cores
from busgen.evaluation.reference import REFERENCE
from busgen.evaluation.score_options import Options, open_sets
from busgen.evaluation.score_sets import score_sets
from busgen.evaluation.stage import write_scores
from busgen.factory.shard import CHUNK
from busgen.gates.judged_scores import Judges, ask_judges
from busgen.gates.scores import score_copies, score_pair, verdict
from busgen.imaging.geometry import measure
from busgen.io import decode_png
from busgen.judges.judges import load_judges
from busgen.metrics.spaces.registry import load_spaces
from busgen.params.gates import DEFAULT_GATES
from busgen.params.quality import QualityParams
from busgen.priors.findings import Finding, from_row
from busgen.release.files import find_files
from busgen.similarity.dhash import hash_image, nearest
from busgen.similarity.known_images import KnownImages, load_known

N, FEW = 10_000, 100  # images, and those of a rehearsal
PART = 4  # memory is measured at an n-th of them too
THREADS = 2
GALLERY = 3  # images a stratum in the report

BARS = {
    "gates_and_scores_10000_s": Bar("<=", 600.0),
    "scores_memory_growth": Bar("<=", 1.2),
    "report_10000_s": Bar("<=", 60.0),
}


def figures(made: Path, known: Path, scratch: Path, *, quick: bool = False) -> dict[str, Figure]:
    """Return the figures.

    Parameters
    ----------
    made
        Real data as `busgen real ... --out` writes it; its held-out patients are scored against.
    known
        File of known images (`busgen.similarity.known_images`).
    scratch
        Empty folder.
    quick
        Whether `FEW` images stand for all: a rehearsal.
    """
    n = FEW if quick else N
    make_rows(n, scratch)
    some, whole = (_run("score", scratch, made, known, rows) for rows in (n // PART, n))
    reported = _run("report", scratch)
    both = whole["gates_s"] + whole["scores_s"]
    return {
        "gates_and_scores_10000_s": Figure(both, "s", n),
        "gates_10000_s": Figure(whole["gates_s"], "s", n),
        "scores_10000_s": Figure(whole["scores_s"], "s", n),
        "scores_memory_gib": Figure(whole["gib"], "GiB", n),
        "scores_memory_growth": Figure(whole["gib"] / some["gib"], "times", n),
        "quality_10000_s": Figure(reported["quality_s"], "s", n),
        "report_10000_s": Figure(reported["report_s"], "s", n),
    }


def _run(work: str, scratch: Path, *arguments: object) -> dict[str, float]:
    """Run a function of this module in a process of its own and return what it tells."""
    told = scratch / "told.json"
    given = ", ".join(repr(a if isinstance(a, int) else str(a)) for a in (scratch, *arguments))
    code = f"from busgen.bench.quality.speed import *; write_record({str(told)!r}, {work}({given}))"
    benchmark.run_python(scratch, "-c", code, OMP_NUM_THREADS=str(THREADS))
    record: dict[str, float] = json.loads(told.read_text(encoding="utf-8"))
    return record


def write_record(told: str, record: dict[str, float]) -> None:
    """Write a record and this process's peak of memory to the file `told`."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    peak = next(line for line in lines if line.startswith(TOLD))
    gib = int(peak.split()[1]) / 2**20
    Path(told).write_text(json.dumps(record | {"gib": gib}), encoding="utf-8")


def score(scratch: str, made: str, known: str, n: int) -> dict[str, float]:
    """Send the first `n` images through all gates and all scores; return the seconds."""
    release = Path(scratch) / "release"
    start = time.perf_counter()
    judge(islice(_rows(release), n), load_judges(device="cpu"), load_known([Path(known)]))
    gated = time.perf_counter()
    asked = Options(most=n)
    sets = open_sets((release, Path(made)), (None, None), asked)
    sets = sets[0].pick(range(min(n, len(sets[0])))), sets[1]
    score_sets(sets, load_spaces(None), asked, lambda _: None)
    return {"gates_s": gated - start, "scores_s": time.perf_counter() - gated}


def report(scratch: str) -> dict[str, float]:
    """Compare the release with the reference, then write its report; return the seconds of each."""
    from busgen.report.report import Sources, write_report

    folder = Path(scratch)
    release, quality = folder / "release", folder / "quality"
    params = QualityParams()
    quality_s = measure_time(partial(write_scores, release, quality, params, folder / "refused"))
    sources = Sources(release, folder / "candidates", quality, REFERENCE)
    report_s = measure_time(partial(write_report, sources, folder / "report", GALLERY))
    return {"quality_s": quality_s, "report_s": report_s}


Row = dict[str, Any]
Seen = tuple[Finding, Pixels, Pixels, int]


def judge(rows: Iterator[Row], judges: Judges, known: KnownImages) -> int:
    """Return how many of a release's rows all gates accept, as `busgen.factory.shard` asks them.

    `CHUNK` images are in memory at a time, and hashes of all.
    """
    hashes = np.zeros(0, np.int64)
    accepted = 0
    with on_all_cores() as pool:
        while part := list(islice(rows, CHUNK)):
            seen = list(pool.map(_known, part))
            findings, masks, images, own = (list(each) for each in zip(*seen, strict=True))
            judged = ask_judges(findings, np.stack(masks), np.stack(images), judges)
            told = list(pool.map(_scores, findings, masks, images))
            alike = score_copies(images, known)
            distance = nearest(np.array(own, np.int64), hashes)[0]
            hashes = np.concatenate([hashes, np.array(own, np.int64)])
            for *parts, bits in zip(told, judged, alike, distance.tolist(), strict=True):
                every = parts[0] | parts[1] | parts[2] | {"duplicate_distance": float(bits)}
                accepted += verdict(every, DEFAULT_GATES)[0]
    return accepted


def _rows(release: Path) -> Iterator[Row]:
    """Yield the rows of a release with their images, some dozens in memory."""
    for path in find_files(release):
        for batch in pq.ParquetFile(path).iter_batches(CHUNK):
            yield from batch.to_pylist()


def _known(row: Row) -> Seen:
    image, mask = (decode_png(row[name]["bytes"], name) for name in ("image", "mask"))
    return from_row(row), (mask > 0).astype(np.uint8), image, hash_image(image)


def _scores(finding: Finding, mask: Pixels, image: Pixels) -> dict[str, float | None]:
    return score_pair(finding, mask, image, measure(mask, finding.pixel_mm))
