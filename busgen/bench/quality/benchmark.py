"""Benchmark of gates, scores and report: what they catch, what they agree with, what they cost.

In: three public datasets in $BUSGEN_REAL, or ../shared/data beside the checkout; what is read from
them is kept in data/work/bench-quality. Out: figures. Faults are planted into clean square crops of
test patients, copies are of training patients' crops; the bounds are those that ship, which came
from validation patients. Caught is rejected, by all gates together. Times are of copies of the
default engine's images, two cores.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from busgen.bench.harness import Figure
from busgen.bench.quality import (
    fault_detection,
    near_duplicates,
    reference_programs,
    speed as quality_speed,
)
from busgen.bench.real.reading import read_tables
from busgen.code import ROOT
from busgen.gates.calibration.fault_injection import Gates, inject_faults
from busgen.gates.calibration.real_samples import read_pairs, read_training
from busgen.judges.judges import load_judges
from busgen.params.gates import DEFAULT_GATES
from busgen.similarity.known_images import make_known, save_known

WORK = ROOT / "data" / "work" / "bench-quality"
FEW = 8  # images in a rehearsal
TIMED = 64

BARS = fault_detection.BARS | reference_programs.BARS | quality_speed.BARS | near_duplicates.BARS


def measure(*, quick: bool = False) -> dict[str, Figure]:
    """Return the figures; takes some twenty minutes, and three more to read the datasets once.

    `quick` takes the first images alone: a rehearsal, no result.
    """
    generated = WORK / "real"
    with TemporaryDirectory(prefix="busgen-bench-") as scratch:
        tables, cohort = read_tables(generated, Path(scratch))
    training, textures = read_training(tables, cohort)
    with TemporaryDirectory(prefix="busgen-bench-") as scratch:
        known = Path(scratch) / "known.safetensors"
        save_known(textures, known)
        rows = Path(scratch) / "rows"
        rows.mkdir()
        speed = quality_speed.figures(generated, known, rows, quick=quick)
    few = slice(FEW) if quick else slice(None)
    test = list(read_pairs(tables, cohort, "test"))[few]
    gates = Gates(load_judges(device="cpu"), make_known(textures), DEFAULT_GATES)
    return {
        **fault_detection.figures(inject_faults(gates, test, training)),
        **fault_detection.measure_time(test[:TIMED], gates.known),
        **reference_programs.figures(),
        **speed,
        **near_duplicates.figures([pair.image for pair in test], quick=quick),
    }
