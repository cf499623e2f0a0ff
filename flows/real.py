"""Real: a public dataset as published -> canonical Parquet.

In: params.yaml (`real.datasets`). Out: data/real/NAME for `python -m flows.real NAME`.
"""

import sys
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from busgen import io
from busgen.errors import UserError
from busgen.params.base import load_section
from busgen.params.real import RealParams
from busgen.real.readers.registry import write_canonical
from flows import main
from flows.paths import REAL


@flow(name="real", validate_parameters=False)
def real(name: str, path: Path) -> None:
    """Read one dataset and write it in canonical form."""
    found = io.dumps(write_canonical(name, path, REAL / name))
    create_markdown_artifact(key=f"real-{name}", markdown=f"```json\n{found}```")


def run() -> None:
    """Run the stage for the dataset that the command line names."""
    (name,) = sys.argv[1:]
    datasets = load_section("real", RealParams).datasets
    if name not in datasets:
        raise UserError("a dataset must be named in params.yaml", name, "add it to real.datasets")
    real(name, datasets[name])


if __name__ == "__main__":
    main(run)
