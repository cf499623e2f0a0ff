"""Benchmark of the index: a query by stratum and the contract on a million rows, one image.

In: nothing; a release is made and its index tiled with ids, seeds and hashes of their own.
Out: seconds (median and range of repeats), milliseconds for one random image.
"""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from busgen.bench.harness import Figure, Figures, measure_time, median_figure, read_bars
from busgen.params.generate import GenerateParams
from busgen.params.load import Params
from busgen.release import sql
from busgen.release.contract.expectations import validate
from busgen.release.files import INDEX
from busgen.release.read import count_by, read_image
from busgen.seeds import rng

BARS = read_bars("index")
ROWS, SAMPLES, IMAGES, REPEATS = 1_000_000, 330, 100, 5


def measure(quick: bool = False) -> Figures:
    """Return `query_s`, `validation_s` and `image_ms`; `quick` takes a hundredth of the rows."""
    from busgen import generate

    rows, samples, repeats = (ROWS // 100, 30, 2) if quick else (ROWS, SAMPLES, REPEATS)
    with TemporaryDirectory(prefix="busgen-") as scratch:
        release, index = Path(scratch) / "release", Path(scratch) / INDEX
        any_yield = Params(generate=GenerateParams(max_unfilled=1.0))  # gates are not the matter
        generate(samples, params=any_yield).save(release)
        _tile(release / INDEX, index, rows)
        if validate(index).failures:  # also imports Great Expectations
            raise AssertionError("the tiled index must keep the contract")
        by = ["pathology", "shape", "echo_pattern"]
        timed = {"query_s": partial(count_by, index, by), "validation_s": partial(validate, index)}
        seconds = {name: [measure_time(f) for _ in range(repeats)] for name, f in timed.items()}
        figures = {name: median_figure(own, "s", repeats) for name, own in seconds.items()}
        return figures | {"image_ms": _time(release)}


def _tile(source: Path, target: Path, rows: int) -> None:
    """Write an index of at least `rows` rows: `source` again and again, each copy its own."""
    with sql.connect() as connection:
        table = sql.from_parquet(source)
        copies = -(-rows // sql.first_row(connection, f"SELECT count(*) FROM {table}")[0])
        connection.execute(f"""COPY (
            SELECT * EXCLUDE copy REPLACE (
                printf('%05d-', copy) || sample_id AS sample_id,
                printf('%05d-', copy) || family_id AS family_id,
                (hash(copy, seed) >> 2)::BIGINT AS seed,
                (hash(copy, image_dhash) >> 2)::BIGINT AS image_dhash,
                sha256(copy || image_sha256) AS image_sha256,
                width_mm * (1 - copy / 1e9) AS width_mm,
                height_mm * (1 - copy / 1e9) AS height_mm)
            FROM {table}, range({copies}) t(copy)
        ) TO {sql.quote_text(str(target))} (FORMAT parquet)""")


def _time(release: Path) -> Figure:
    """Return the milliseconds for one random image, the release opened anew each time."""
    with sql.connect() as connection:
        found = connection.execute(
            f"SELECT sample_id FROM {sql.from_parquet(release / INDEX)} WHERE accepted ORDER BY 1"
        ).fetchall()
    chosen = rng(0, "bench").choice(len(found), IMAGES)
    times = [1e3 * measure_time(partial(read_image, release, found[k][0])) for k in chosen]
    return median_figure(times, "ms", IMAGES)
