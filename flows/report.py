"""Report: what a person sees.

In: data/release, data/candidates, data/quality, the reference, what stands beside prior and judges,
a downstream comparison, where there is one.
Out: data/report/index.html, and contract.html beside it.
"""

from prefect import flow

from busgen.params.base import load_section
from busgen.params.generate import GenerateParams
from busgen.params.quality import QualityParams
from busgen.params.report import ReportParams
from busgen.report.evidence import Sources, find_previous
from busgen.report.report import write_report
from flows import CANDIDATES, PUBLISHED_REFERENCE, QUALITY, RELEASE, REPORT, main


@flow(name="report", validate_parameters=False)
def report(sources: Sources, params: ReportParams) -> None:
    """Write the page."""
    write_report(sources, REPORT, params.gallery)


def run() -> None:
    """Run the stage: release and scores -> data/report."""
    params = load_section("report", ReportParams)
    request = load_section("generate", GenerateParams)
    reference = load_section("quality", QualityParams).reference or PUBLISHED_REFERENCE
    checks = request.prior.with_suffix(".checks.json") if request.prior else None
    found = (reference, request.judges, checks, find_previous(params.previous), params.downstream)
    report(Sources(RELEASE, CANDIDATES, QUALITY, *found), params)


if __name__ == "__main__":
    main(run)
