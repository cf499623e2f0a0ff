"""Report: what a person looks at.

In: data/release, data/candidates, data/quality, the reference, what stands beside prior and judges,
a downstream comparison, where there is one.
Out: data/report/index.html, and contract.html beside it.
"""

from prefect import flow

from busgen.params import Params, load_params
from busgen.report.evidence import previous_of
from busgen.report.report import Sources, write_report
from flows import main
from flows.paths import CANDIDATES, QUALITY, RELEASE, REPORT, reference_path


@flow(name="report", validate_parameters=False)
def report(sources: Sources, params: Params) -> None:
    """Write the page."""
    write_report(sources, REPORT, params.report.gallery)


def run() -> None:
    """Run the stage: release and scores -> data/report."""
    params = load_params()
    prior, judges = params.generate.prior, params.generate.judges
    checks = prior.with_suffix(".checks.json") if prior else None
    where = (RELEASE, CANDIDATES, QUALITY, reference_path(params), judges, checks)
    beside = (previous_of(params.report.previous), params.report.downstream)
    sources = Sources(*where, *beside)
    report(sources, params)


if __name__ == "__main__":
    main(run)
