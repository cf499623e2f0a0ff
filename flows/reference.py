"""Reference: canonical tables of real images, held-out patients only -> statistics, no pixels.

In: data/real, params.yaml. Out: data/reference/reference.json.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from prefect import flow

from busgen import io
from busgen.params import load_params
from busgen.quality.reference import reference_of
from flows import main
from flows.paths import REFERENCE, real_tables


@flow(name="reference", validate_parameters=False)
def reference(tables: list[Path]) -> None:
    """Measure the held-out patients of all datasets that were read."""
    table = pa.concat_tables(pq.read_table(path) for path in tables)
    io.write_text(REFERENCE, io.dumps(reference_of(table)))


def run() -> None:
    """Run the stage: data/real -> data/reference."""
    reference(real_tables(load_params()))


if __name__ == "__main__":
    main(run)
