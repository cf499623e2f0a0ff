"""Stage `downstream`: what is trained on real and synthetic images, and how long."""

from typing import Literal

from pydantic import Field, field_validator

from busgen.params.base import Section

Task = Literal["classification", "segmentation"]
SEEDS, FOLDS, WORKERS = 3, 5, 2
STEPS: dict[Task, int] = {"classification": 600, "segmentation": 500}


class DownstreamParams(Section):
    """Stage `downstream`: training sets, arms and tasks to compare, empty for the usual ones.

    `seeds` trainings of each arm, `folds` of a data set that is cross-validated, 1 for none,
    `steps` of each training by task, `workers` trained at once; `generator_saw` what is said of the
    generator's patients, else what the release's provenance tells
    (`busgen.downstream.data.synthetic_set.SAW`).
    """

    train: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = ()
    seeds: int = Field(default=SEEDS, ge=1)
    folds: int = Field(default=FOLDS, ge=1)
    steps: dict[Task, int] = STEPS
    generator_saw: Literal["none", "own", "pooled", "unknown"] | None = None
    workers: int = Field(default=WORKERS, ge=1)

    @field_validator("steps")
    @classmethod
    def _positive(cls, steps: dict[str, int]) -> dict[str, int]:
        if min(steps.values(), default=1) < 1:
            raise ValueError("steps must be 1 or more: e.g. {classification: 600}")
        return STEPS | steps
