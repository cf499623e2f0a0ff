"""Quality: what is to be released against held-out real data.

In: data/candidates, a reference. Out: data/quality (scores, metrics, tables to plot); for what a
limit refuses, which is then not released, data/refused.
"""

from pathlib import Path

from prefect import flow
from prefect.artifacts import create_table_artifact

from busgen import io
from busgen.evaluation.stage import write_scores
from busgen.folders import remove_written
from busgen.params.base import load_section
from busgen.params.quality import QualityParams
from busgen.params.release import ReleaseParams
from busgen.release.write import write_release
from flows import CANDIDATES, QUALITY, REFUSED, WORK, main

DRAFT = WORK / "draft"  # the release without what is measured on it


@flow(name="quality", validate_parameters=False)
def quality(candidates: Path, params: QualityParams, release: ReleaseParams) -> None:
    """Score a draft of the release and publish the headline as an artifact."""
    write_release(candidates, DRAFT, release)
    try:
        write_scores(DRAFT, QUALITY, params, REFUSED)
    finally:
        remove_written(DRAFT)
    headline = io.read_json(QUALITY / "metrics.json")
    rows = [{"metric": name, "value": value} for name, value in headline.items()]
    create_table_artifact(table=rows, key="quality", description="headline of the release")


def run() -> None:
    """Run the stage: data/candidates -> data/quality."""
    splits = load_section("release", ReleaseParams).splits  # of which scores depend, not of a title
    quality(CANDIDATES, load_section("quality", QualityParams), ReleaseParams(splits=splits))


if __name__ == "__main__":
    main(run)
