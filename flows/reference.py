"""Reference: real images of held-out patients -> numbers that stand in for them, no pixels.

In: data/real, data/cohort, the judges, params.yaml. Out: data/reference.
"""

from pathlib import Path

from prefect import flow

from busgen.evaluation.held_out_features import measure_held_out
from busgen.evaluation.reference import measure_reference, write_reference
from busgen.judges.judges import load_judges
from busgen.params.base import load_section
from busgen.params.generate import GenerateParams
from busgen.real.cohort import FILE
from flows import COHORT, REFERENCE, find_tables, main


@flow(name="reference", validate_parameters=False)
def reference(tables: list[Path], judges: Path | None) -> None:
    """Measure the held-out patients of all datasets that were read."""
    found = measure_reference(tables, COHORT, load_judges(judges))
    write_reference(found, REFERENCE, features=measure_held_out(tables, COHORT / FILE))


if __name__ == "__main__":
    main(lambda: reference(find_tables(), load_section("generate", GenerateParams).judges))
