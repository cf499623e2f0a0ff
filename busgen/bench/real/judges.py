"""The shipped judges on test patients: Dice, AUC, calibration, time, size.

In: canonical folders with the cohort. Out: figures, worked out anew from the images.
"""

from pathlib import Path
from typing import Any

from busgen.bench.harness import Figure, figure_of, measure_time, median_figure
from busgen.judges.judges import SHIPPED, Judges, load_judges
from busgen.judges.training.library import score_classifier, score_segmenter
from busgen.real.cohort import FILE, find_tables
from busgen.real.crops import Crops, read_crops

TIMED, REPEATS = 64, 3


def figures(generated: Path) -> dict[str, Figure]:
    """Return the judges' figures by dataset; images whose label is disputed are left out."""
    judges = load_judges(device="cpu")
    crops = read_crops(find_tables(generated), generated / "cohort" / FILE, ("test",))
    size = sum(path.stat().st_size for path in SHIPPED.iterdir())
    found: dict[str, Any] = score_segmenter(judges, crops)
    empty = found.pop("normals_left_empty", None)
    measured = {f"segmenter_dice_{name}": figure_of(score, "Dice") for name, score in found.items()}
    if empty is not None:
        measured["segmenter_normals_empty"] = Figure(empty["value"], "share", empty["n"])
    ranked: dict[str, Any] = score_classifier(judges, crops)
    error = ranked["calibration"]["ece_5_bins"]
    return {
        **measured,
        **{f"classifier_auc_{name}": figure_of(s, "AUC") for name, s in ranked["auc"].items()},
        "calibration_error": figure_of(error, "share"),
        "calibration_floor": Figure(error["floor"], "share", error["n"]),
        "calibration_debiased": Figure(error["debiased"], "share", error["n"]),
        "judges_ms": _time(judges, crops),
        "judges_mb": Figure(size / 1e6, "MB", 1),
    }


def _time(judges: Judges, crops: Crops) -> Figure:
    """Return the time an image for finding and classifying its lesion: median and range."""
    images, masks = crops.images[:TIMED], crops.masks[:TIMED]

    def judge() -> None:
        judges.segment(images)
        judges.classify(images, masks)

    judge()
    times = [1e3 * measure_time(judge) / len(images) for _ in range(REPEATS)]
    return median_figure(times, "ms", len(images))
