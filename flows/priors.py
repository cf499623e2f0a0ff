"""Priors: canonical tables of real findings, training patients only -> the fitted prior.

In: data/real, params.yaml. Out: data/priors/prior.json.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from prefect import flow

from busgen.params import load_params
from busgen.priors.fit import fit_prior
from busgen.priors.network import load_prior, save_prior
from busgen.real.splits import split_of
from flows import main
from flows.paths import PRIOR, real_tables


@flow(name="priors", validate_parameters=False)
def priors(tables: list[Path], strength: float) -> None:
    """Fit the prior to all tables, steadied by the published one."""
    columns = [name for name in pq.read_schema(tables[0]).names if name != "mask"]
    table = pa.concat_tables(pq.read_table(path, columns=columns) for path in tables)
    training = [split_of(patient) == "train" for patient in table["patient_id"].to_pylist()]
    table = table.filter(pa.array(training))
    names = " + ".join(path.parent.name for path in tables)
    source = f"{names}, {table.num_rows} images of training patients"
    fitted = fit_prior(table, base=load_prior(), strength=strength, name=names, source=source)
    save_prior(fitted, PRIOR)


def run() -> None:
    """Run the stage: data/real -> data/priors."""
    params = load_params()
    priors(real_tables(params), params.priors.strength)


if __name__ == "__main__":
    main(run)
