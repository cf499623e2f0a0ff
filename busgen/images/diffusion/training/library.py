"""Training of the generator as a function call: canonical folders in, a folder of weights out.

In: what `busgen real ... --out` wrote, parameters. Out: a generator, or an adapter beside it; no
server.
"""

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

from busgen.folders import clear_work, work_path
from busgen.images.diffusion.training import stage
from busgen.images.diffusion.training.plan import Training, resolve
from busgen.learning.presets import Presets
from busgen.params.train_images import TrainImagesParams
from busgen.real.cohort import find_cohort, find_tables

# `small` is what the parameters say by themselves, two hours of two cores; `base` is for one large
# GPU, some 25 minutes
_QUICK = {"steps": 2, "batch": 2}
PRESETS: Presets = MappingProxyType(
    {
        "small": {},
        "base": {
            "autoencoder": {"steps": 8000, "batch": 64},
            "flow": {"steps": 8000, "batch": 256, "widths": (128, 256, 384), "layers": 2},
            "guided": {"steps": 1500, "batch": 256},
            "decoder": {"steps": 4000, "batch": 64},
        },
        "rehearsal": dict.fromkeys(("autoencoder", "guided", "decoder"), _QUICK)
        | {"flow": _QUICK | {"widths": (32, 64)}},
    }
)


def plan(folder: Path, out: Path, params: TrainImagesParams) -> Training:
    """Return the training on the canonical data in `folder`; it works beside `out`.

    Raises `UserError` if `folder` has no canonical data, `out` holds other things, or
    `params.start` is no generator.
    """
    tables = find_tables(folder)
    return resolve(tables, find_cohort(folder), params, work_path(out), out)


def train(training: Training, tick: Callable[[int], None]) -> Path:
    """Train and write the generator; return its folder. A killed training goes on where it was.

    `tick` gets the number of images seen.
    """
    done = stage.train(training, lambda _: tick)
    clear_work(training.out)
    return done
