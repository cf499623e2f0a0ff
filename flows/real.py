"""Real: a public dataset as published -> canonical Parquet.

In: params.yaml (`real.datasets`, `real.maps`). Out: data/real/NAME for `python -m flows.real NAME`.
"""

import sys
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from busgen import io
from busgen.errors import UserError
from busgen.params.base import load_section
from busgen.params.real import DatasetMap, RealParams
from busgen.real.readers.registry import write_canonical
from flows import REAL, main


@flow(name="real", validate_parameters=False)
def real(name: str, path: Path, given: DatasetMap | None) -> None:
    """Read one dataset and write it in canonical form."""
    found = io.dumps(write_canonical(name, path, REAL / name, given=given))
    create_markdown_artifact(key=f"real-{name}", markdown=f"```json\n{found}```")


def run() -> None:
    """Run the stage for the dataset that the command line names."""
    (name,) = sys.argv[1:]
    params = load_section("real", RealParams)
    if name not in params.datasets:
        raise UserError("a dataset must be named in params.yaml", name, "add it to real.datasets")
    real(name, params.datasets[name], params.maps.get(name))


if __name__ == "__main__":
    main(run)
