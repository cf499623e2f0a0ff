"""Priors: real lesions of training patients, published tables -> the pooled prior and its checks.

In: data/real, data/cohort, params.yaml. Out: data/priors/{prior,prior.checks}.json. The package's
`assets/priors/pooled.json` and `pooled.checks.json` are these two of BrEaST, BUS-BRA and BUSI:
`busgen run --all` with `real.datasets` naming the three, and the copies named ``pooled``.
"""

from pathlib import Path

from prefect import flow

from busgen import io
from busgen.params.base import load_section
from busgen.params.priors import PriorsParams
from busgen.priors.fitting.checks import fit_and_check
from busgen.priors.fitting.lesions import COLUMNS
from busgen.priors.network import PUBLISHED, load_prior, save_prior
from busgen.real.cohort import has_usable_label, read_rows
from flows import COHORT, PRIOR, find_tables, main


@flow(name="priors", validate_parameters=False)
def priors(tables: list[Path], params: PriorsParams) -> None:
    """Fit the prior to all tables and hold it against the other patients."""
    columns = [name for name in COLUMNS if name != "cluster_id"]  # which the cohort adds
    rows = list(read_rows(tables, COHORT, columns=columns, usable=has_usable_label))
    prior, checks = fit_and_check(rows, load_prior(PUBLISHED), params, name="pooled")
    save_prior(prior, PRIOR)
    io.write_text(PRIOR.with_suffix(".checks.json"), io.dumps(checks))


if __name__ == "__main__":
    main(lambda: priors(find_tables(), load_section("priors", PriorsParams)))
