"""Real: a public dataset as published -> canonical Parquet; then statistics without pixels.

In: params.yaml (`real.datasets`). Out: data/real/NAME for `python -m flows.real NAME`;
data/reference for `python -m flows.real --reference`.
"""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from prefect import flow
from prefect.artifacts import create_markdown_artifact

from busgen import io
from busgen.params import load_params
from busgen.quality.reference import reference_of
from busgen.real.readers import read_dataset, summary, write_canonical
from flows import main
from flows.paths import REAL, REFERENCE


@flow(name="real", validate_parameters=False)
def real(name: str, path: Path) -> None:
    """Read one dataset and write it in canonical form."""
    reading = read_dataset(name, path)
    write_canonical(reading, REAL / name)
    found = io.dumps(summary(reading))
    create_markdown_artifact(key=f"real-{name}", markdown=f"```json\n{found}```")


@flow(name="reference", validate_parameters=False)
def reference(tables: list[Path]) -> None:
    """Measure the held-out patients of all datasets that were read."""
    table = pa.concat_tables(pq.read_table(path) for path in tables)
    io.write_text(REFERENCE, io.dumps(reference_of(table)))


def run() -> None:
    """Run the stage that the command line names."""
    if sys.argv[1:] == ["--reference"]:
        reference(sorted(REAL.glob("*/table.parquet")))
    else:
        (name,) = sys.argv[1:]
        real(name, load_params().real.datasets[name])


if __name__ == "__main__":
    main(run)
