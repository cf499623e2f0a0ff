"""Time and memory of gates, scores and report at ten thousand images.

In: canonical real data with its cohort, known images. Out: figures; each run is a process of its
own on two threads. Images are copies of some that the default engine draws, mirrored and faintly
speckled anew, with ids and hashes of their own: they cost what images cost, and say nothing about
quality. Those of one finding are a family.
"""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from busgen import io
from busgen.arrays import Pixels
from busgen.bench.harness import Figure, Figures, measure_time, run_process
from busgen.compute.cores import on_all_cores
from busgen.evaluation.reference import REFERENCE
from busgen.evaluation.score_sets import Options, open_sets, score_sets
from busgen.evaluation.stage import write_scores
from busgen.factory.library import run_shards
from busgen.factory.plan import resolve
from busgen.factory.rounds import run
from busgen.factory.shard import CHUNK, ROW_GROUP
from busgen.gates.judged_scores import Judges, ask_judges
from busgen.gates.scores import score_copies, score_pair, verdict
from busgen.imaging.geometry import measure
from busgen.io import decode_png
from busgen.judges.judges import load_judges
from busgen.metrics.spaces.registry import load_spaces
from busgen.params.gates import DEFAULT_GATES
from busgen.params.generate import GenerateParams
from busgen.params.quality import QualityParams
from busgen.priors.findings import from_row
from busgen.release import rows as candidates
from busgen.release.files import INDEX, find_files
from busgen.release.write import write_release
from busgen.seeds import rng
from busgen.similarity.known_images import KnownImages, load_known
from busgen.similarity.search import hash_image, nearest

Row = dict[str, Any]
N, FEW = 10_000, 100  # images, and those of a rehearsal
PART = 4  # memory is measured at an n-th of them too
GALLERY = 3  # images a stratum in the report
DRAWN = 250  # findings that are really rendered
NOISE = 0.02  # of a pixel's grey level, sd: .08 is half as much work again for the overlay finder
OWN = ("image_dhash", "image_sha256")


def figures(data: Path, known: Path, scratch: Path, *, quick: bool = False) -> Figures:
    """Return the figures; `quick` takes `FEW` images, a rehearsal.

    `data` holds real data as `busgen real ... --out` writes it, whose held-out patients are scored
    against; `known` is a file of known images, `scratch` an empty folder.
    """
    n = FEW if quick else N
    make_rows(n, scratch)
    some, whole = (run_process(score, scratch, scratch, data, known, k) for k in (n // PART, n))
    reported = run_process(report, scratch, scratch)
    both = whole["gates_s"] + whole["scores_s"]
    seconds = {
        "gates_and_scores_10000_s": both,
        "gates_10000_s": whole["gates_s"],
        "scores_10000_s": whole["scores_s"],
        "quality_10000_s": reported["quality_s"],
        "report_10000_s": reported["report_s"],
    }
    return {name: Figure(value, "s", n) for name, value in seconds.items()} | {
        "scores_memory_gib": Figure(whole["memory_gib"], "GiB", n),
        "scores_memory_growth": Figure(whole["memory_gib"] / some["memory_gib"], "times", n),
    }


def score(scratch: str, data: str, known: str, n: int) -> dict[str, float]:
    """Send the first `n` images through all gates and all scores; return the seconds."""
    release = Path(scratch) / "release"

    def gate() -> None:
        judge(islice(_rows(release), n), load_judges(device="cpu"), load_known([Path(known)]))

    def compare() -> None:
        request = Options(most=n)
        own, real = open_sets((release, Path(data)), (None, None), request)
        own = own.pick(range(min(n, len(own))))
        score_sets((own, real), load_spaces(None), request, lambda _: None)

    return {"gates_s": measure_time(gate), "scores_s": measure_time(compare)}


def report(scratch: str) -> dict[str, float]:
    """Compare the release with the reference, then write its report; return the seconds of each."""
    from busgen.report.evidence import Sources
    from busgen.report.report import write_report

    folder = Path(scratch)
    release, quality = folder / "release", folder / "quality"
    params = QualityParams()
    quality_s = measure_time(partial(write_scores, release, quality, params, folder / "refused"))
    sources = Sources(release, folder / "candidates", quality, REFERENCE)
    report_s = measure_time(partial(write_report, sources, folder / "report", GALLERY))
    return {"quality_s": quality_s, "report_s": report_s}


def judge(rows: Iterator[Row], judges: Judges, known: KnownImages) -> int:
    """Return how many of a release's rows all gates accept, as `busgen.factory.shard` asks them.

    `CHUNK` images are in memory at a time, and hashes of all.
    """
    hashes = np.zeros(0, np.int64)
    accepted = 0
    with on_all_cores() as pool:
        while part := list(islice(rows, CHUNK)):
            images, masks = (list(pool.map(partial(_decode, n), part)) for n in ("image", "mask"))
            masks = [(mask > 0).astype(np.uint8) for mask in masks]
            findings = [from_row(row) for row in part]
            judged = ask_judges(findings, np.stack(masks), np.stack(images), judges)
            shapes = pool.map(measure, masks, [finding.pixel_mm for finding in findings])
            measured = list(pool.map(score_pair, findings, masks, images, shapes))
            alike = score_copies(images, known)
            own = np.array(list(pool.map(hash_image, images)), np.int64)
            distance = nearest(own, hashes)[0]
            hashes = np.concatenate([hashes, own])
            for *parts, bits in zip(measured, judged, alike, distance.tolist(), strict=True):
                every = parts[0] | parts[1] | parts[2] | {"duplicate_distance": float(bits)}
                accepted += verdict(every, DEFAULT_GATES)[0]
    return accepted


def _rows(release: Path) -> Iterator[Row]:
    """Yield the rows of a release with their images, some dozens in memory."""
    for path in find_files(release):
        for batch in pq.ParquetFile(path).iter_batches(CHUNK):
            yield from batch.to_pylist()


def _decode(name: str, row: Row) -> Pixels:
    return decode_png(row[name]["bytes"], name)


def make_rows(n: int, folder: Path) -> None:
    """Write `candidates` of at least `n` accepted rows and their `release` into `folder`."""
    few = min(n, DRAWN)
    plan = resolve(GenerateParams(n=few, max_unfilled=1.0))
    run(plan, folder / "few", run_shards)
    accepted = pq.read_table(folder / "few" / INDEX, columns=["accepted"])["accepted"].to_pylist()
    _copies(folder / "few", folder / "candidates", -(-n // sum(accepted)))
    write_release(folder / "candidates", folder / "release")


def _copies(source: Path, target: Path, copies: int) -> None:
    """Write the candidates of `source` `copies` times to the new folder `target`."""
    (target / "shards").mkdir(parents=True)
    own: dict[tuple[str, int], Row] = {}  # hashes by sample and attempt
    with ThreadPoolExecutor() as pool:  # numpy and zlib release the lock
        for copy in range(copies):
            for path in candidates.find_files(source):
                table = pq.read_table(path)
                rows = list(pool.map(partial(_again, copy), table.to_pylist()))
                for row in rows:
                    own[row["sample_id"], row["attempt"]] = {name: row[name] for name in OWN}
                whole = pa.Table.from_pylist(rows, schema=table.schema)
                name = target / "shards" / f"copy-{copy:05d}-{path.name}"
                pq.write_table(whole, name, row_group_size=ROW_GROUP, use_dictionary=False)
    index = pq.read_table(source / INDEX)
    indexed = []
    for copy, row in product(range(copies), index.to_pylist()):
        sample, like = f"{copy:05d}-{row['sample_id']}", row["duplicate_of"]
        twin = like and f"{copy:05d}-{like}"
        indexed.append(
            row | {"sample_id": sample, "duplicate_of": twin} | own[sample, row["attempt"]]
        )
    pq.write_table(pa.Table.from_pylist(indexed, schema=index.schema), target / INDEX)
    for kept in ("plan.json", "unfilled.json"):  # both count families
        shutil.copy(source / kept, target / kept)


def _again(copy: int, row: Row) -> Row:
    """Return a shard's row with pixels, id and hashes of its own."""
    name = f"{copy:05d}-{row['sample_id']}"
    pick = rng(copy, f"{row['sample_id']} {row['attempt']}")
    image, mask = (io.decode_png(row[part]["bytes"], part) for part in ("image", "mask"))
    if copy % 2:
        image, mask = (np.ascontiguousarray(pixels[:, ::-1]) for pixels in (image, mask))
    grain = 1 + NOISE * pick.standard_normal(image.shape, np.float32)
    image = np.clip(np.rint(image * grain), 0, 255).astype(np.uint8)
    return row | {
        "sample_id": name,
        "image_dhash": hash_image(image),
        "image_sha256": io.sha256_array(image),
        "image": {"bytes": io.encode_png(image), "path": f"images/{name}.png"},
        "mask": {"bytes": io.encode_png(mask), "path": f"masks/{name}.png"},
    }
