"""Cohort: canonical tables of all real datasets -> near-duplicate clusters, conflicts, splits.

In: data/real, params.yaml (`real.datasets`). Out: data/cohort.
"""

from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from busgen import io
from busgen.real.prepare import write_cohort
from flows import COHORT, find_tables, main


@flow(name="cohort", validate_parameters=False)
def cohort(tables: list[Path]) -> None:
    """Cluster and split all images, and publish what cleaning found as an artifact."""
    found = io.dumps(write_cohort(tables, COHORT))
    create_markdown_artifact(key="cleaning", markdown=f"```json\n{found}```")


if __name__ == "__main__":
    main(lambda: cohort(find_tables()))
