"""Quality: release against held-out real data.

In: data/release, a reference. Out: data/quality (scores, metrics, tables to plot), or data/refused.
"""

from prefect import flow
from prefect.artifacts import create_table_artifact

from busgen import io
from busgen.evaluation.stage import write_scores
from busgen.params.base import load_section
from busgen.params.quality import QualityParams
from flows import QUALITY, REFUSED, RELEASE, main


@flow(name="quality", validate_parameters=False)
def quality(params: QualityParams) -> None:
    """Score the release and publish the headline as an artifact."""
    write_scores(RELEASE, QUALITY, params, REFUSED)
    headline = io.read_json(QUALITY / "metrics.json")
    rows = [{"metric": name, "value": value} for name, value in headline.items()]
    create_table_artifact(table=rows, key="quality", description="headline of the release")


if __name__ == "__main__":
    main(lambda: quality(load_section("quality", QualityParams)))
