"""Benchmark of gates, scores and report: what they catch, what they agree with, what they cost.

In: three public datasets in $BUSGEN_REAL, or ../shared/data beside the checkout; what is read from
them is kept in data/work/bench-quality. Out: figures. Faults are planted into clean square crops of
test patients, copies are of training patients' crops; the bounds are those that ship, which came
from validation patients. Caught is rejected, by all gates together. Times are of copies of the
default engine's pictures, two cores.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from busgen.bench import (
    quality_faults,
    quality_near,
    quality_references,
    quality_speed,
    real_reading,
)
from busgen.bench.factory import ROOT
from busgen.bench.harness import Figure
from busgen.bench.real import real_folder
from busgen.params import DEFAULT_GATES
from busgen.quality.judges.judges import load_judges
from busgen.quality.known import known_of, save_known
from busgen.quality.pairs import clean_pairs, training_pairs
from busgen.quality.proof import Keeper, prove
from busgen.real.cohort import FILE, canonical_tables

WORK = ROOT / "data" / "work" / "bench-quality"
FEW = 8  # pictures in a rehearsal
TIMED = 64

BARS = quality_faults.BARS | quality_references.BARS | quality_speed.BARS | quality_near.BARS


def measure(*, quick: bool = False) -> dict[str, Figure]:
    """Return the figures; takes some twenty minutes, and three more to read the datasets once.

    `quick` takes the first pictures alone: a rehearsal, no result.
    """
    made = WORK / "real"
    with TemporaryDirectory(prefix="busgen-bench-") as scratch:
        real_reading.clean(real_folder(), made, Path(scratch))
    tables, cohort = canonical_tables(made), made / "cohort" / FILE
    training, textures = training_pairs(tables, cohort)
    with TemporaryDirectory(prefix="busgen-bench-") as scratch:
        known = Path(scratch) / "known.safetensors"
        save_known(textures, known)
        rows = Path(scratch) / "rows"
        rows.mkdir()
        speed = quality_speed.figures(made, known, rows, quick=quick)
    few = slice(FEW) if quick else slice(None)
    test = list(clean_pairs(tables, cohort, "test"))[few]
    keeper = Keeper(load_judges(device="cpu"), known_of(textures), DEFAULT_GATES)
    images = [pair.image for pair in test]
    return {
        **quality_faults.figures(prove(keeper, test, training)),
        **quality_faults.times(test[:TIMED], keeper.known),
        **quality_references.figures(),
        **speed,
        **quality_near.figures(images, quick=quick),
    }
