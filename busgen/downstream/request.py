"""What is to be compared, as a caller asks for it; what is not said has the usual values.

In: paths and names. Out: an `Request`, which `busgen.downstream.plan` checks and resolves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from busgen.downstream.data.real_images import RealData, open_set
from busgen.downstream.learner import Recipe
from busgen.params.downstream import FOLDS, SEEDS, STEPS, WORKERS

RECIPES = {
    "classification": Recipe(STEPS["classification"]),
    "segmentation": Recipe(STEPS["segmentation"], strength=0.25),
}
PAPER = {"classification": Recipe(4000, 32, 1e-3), "segmentation": Recipe(6000, 16, 1e-3)}
PRESETS = {"small": RECIPES, "paper": PAPER}


@dataclass(frozen=True)
class Request:
    """What is to be compared; `train`, `arms` and `tasks` that are empty stand for the usual.

    `real` is a folder, as `busgen real --out` writes it, or its tables and their cohort apart;
    `models` task -> import path of a user's model; `saw` what the user says of the generator's
    patients; `quick` one training set, three arms, one seed; `recipes` those of the preset if None;
    `folds` of a data set that is cross-validated (`busgen.downstream.data.folds`), 1 for none;
    `others` further synthetic sets, by the names that arms call them; `device` auto, cpu or
    cuda[:k].
    """

    data: Path
    real: Path | RealData
    out: Path
    train: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    seeds: int | None = None
    models: Mapping[str, str | None] = field(default_factory=dict)
    saw: str | None = None
    quick: bool = False
    workers: int = WORKERS
    recipes: Mapping[str, Recipe] | None = None
    folds: int | None = None
    others: Mapping[str, Path] = field(default_factory=dict)
    preset: str = "small"
    device: str = "auto"

    @property
    def tables(self) -> RealData:
        """Where the real data lie; `UserError` if the folder holds none."""
        return self.real if isinstance(self.real, RealData) else open_set(self.real)

    @property
    def repetitions(self) -> int:
        """Seeds of each arm."""
        return self.seeds if self.seeds is not None else 1 if self.quick else SEEDS

    @property
    def fold_count(self) -> int:
        """Folds of a data set that is cross-validated; 1: tested by its split like the others."""
        return self.folds if self.folds is not None else 1 if self.quick else FOLDS
