"""Training of the mask generator as a function call: canonical folders in, a folder of weights out.

In: what `busgen real ... --out` wrote, parameters. Out: a generator; no server.
"""

import shutil
from pathlib import Path

from busgen.masks.semantic_curvature.training.stage import Training, resolve, train
from busgen.params import TrainMasksParams
from busgen.real.cohort import canonical_tables, cohort_file
from busgen.training_loop import Tick


def plan(folder: Path, out: Path, params: TrainMasksParams) -> Training:
    """Return the training on the canonical data in `folder`; it works beside `out`.

    Raises
    ------
    UserError
        If `folder` has no canonical data, or `out` holds other things.
    """
    work = out.with_name(f".{out.name}.work")
    return resolve(canonical_tables(folder), cohort_file(folder), params, work, out)


def learn(training: Training, tick: Tick) -> Path:
    """Train and write the generator; return its folder. A killed training goes on where it was."""
    done = train(training, tick)
    shutil.rmtree(training.work.parent)
    return done
