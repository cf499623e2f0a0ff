"""Training of the mask generator as a function call: canonical folders in, a folder of weights out.

In: what `busgen real ... --out` wrote, parameters. Out: a generator; no server.
"""

from pathlib import Path

from busgen.folders import clear_work, work_path
from busgen.masks.semantic_curvature.training import stage
from busgen.masks.semantic_curvature.training.stage import Training, resolve
from busgen.params.train_masks import TrainMasksParams
from busgen.real.cohort import find_cohort, find_tables
from busgen.training_loop import OnProgress


def plan(folder: Path, out: Path, params: TrainMasksParams) -> Training:
    """Return the training on the canonical data in `folder`; it works beside `out`.

    Raises `UserError` if `folder` has no canonical data, or `out` holds other things.
    """
    tables, cohort = find_tables(folder), find_cohort(folder)
    return resolve(tables, cohort, params, work_path(out), out)


def train(training: Training, tick: OnProgress) -> Path:
    """Train and write the generator; return its folder. A killed training goes on where it was."""
    done = stage.train(training, tick)
    clear_work(training.out)
    return done
