"""Ten thousand rows to time scores and reports with: a small run's, again and again.

In: candidates of the default engine. Out: candidates of many times as many rows, each with pixels,
ids and hashes of its own, and their release. Copies are mirrored and faintly speckled anew: they
cost what images cost, and say nothing about quality. Those of one finding are a family.
"""

import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from busgen import io
from busgen.factory.library import run_shards
from busgen.factory.plan import resolve
from busgen.factory.rounds import run
from busgen.factory.shard import ROW_GROUP
from busgen.params.generate import GenerateParams
from busgen.release.files import INDEX
from busgen.release.rows import find_files
from busgen.release.write import write_release
from busgen.seeds import rng
from busgen.similarity.dhash import hash_image

DRAWN = 250  # findings that are really rendered
NOISE = 0.02  # of a pixel's grey level, sd: .08 is half as much work again for the overlay finder
OWN = ("image_dhash", "image_sha256")

Row = dict[str, Any]


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
    own: dict[tuple[str, int], Row] = {}
    with ThreadPoolExecutor() as pool:  # numpy and zlib release the lock
        for copy in range(copies):
            for path in find_files(source):
                table = pq.read_table(path)
                rows = list(pool.map(partial(_again, copy), table.to_pylist()))
                own |= {(row["sample_id"], row["attempt"]): row for row in rows}
                whole = pa.Table.from_pylist(rows, schema=table.schema)
                name = target / "shards" / f"copy-{copy:05d}-{path.name}"
                pq.write_table(whole, name, row_group_size=ROW_GROUP, use_dictionary=False)
                for row in rows:
                    del row["image"], row["mask"]
    index = pq.read_table(source / INDEX)
    indexed = []
    for copy, row in product(range(copies), index.to_pylist()):
        sample, like = f"{copy:05d}-{row['sample_id']}", row["duplicate_of"]
        hashes = {column: own[sample, row["attempt"]][column] for column in OWN}
        twin = like and f"{copy:05d}-{like}"
        indexed.append(row | {"sample_id": sample, "duplicate_of": twin, **hashes})
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
