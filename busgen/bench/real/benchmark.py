"""Benchmark of what is made of real data: cleaning, overlays, copies, prior, judges.

In: three public datasets in $BUSGEN_REAL, or ../shared/data beside the checkout. Out: figures. All
that is learnt is measured on test patients. Intervals are 95 %: of shares Wilson's, of the judges
and the prior bootstraps over patients.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from busgen.bench.harness import Figure, Figures, figure_of, measure_time, median_figure, read_bars
from busgen.bench.real import near_duplicates, overlays, reading
from busgen.judges.judges import SHIPPED, Judges, load_judges
from busgen.judges.training.library import score_classifier, score_segmenter
from busgen.params.priors import PriorsParams
from busgen.priors.fitting.fit import fit_independent, fit_prior
from busgen.priors.fitting.held_out import compare
from busgen.priors.fitting.lesions import COLUMNS, make_lesions
from busgen.priors.network import PUBLISHED, load_prior
from busgen.real.cohort import ADDED, FILE, find_tables, has_usable_label, read_rows
from busgen.real.crops import Crops, read_crops
from busgen.seeds import rng

FEW = 60  # images up to this number are read in a rehearsal
TIMED, REPEATS = 64, 3
RIVALS = {
    "published": "published",  # the published tables alone
    "by_class": "independent",  # descriptors independent of each other, given the class
    "apart": "independent_of_class",
}

BARS = read_bars("real")


def measure(*, quick: bool = False) -> Figures:
    """Return the figures; takes up to ten minutes on two cores.

    `quick`, under one, takes the datasets' first images alone: a rehearsal, no result.
    """
    source = reading.find_folder()
    with TemporaryDirectory(prefix="busgen-bench-") as scratch:
        folder = Path(scratch)
        if quick:
            source = reading.link_folder(source, folder / "few", lambda number: number <= FEW)
        generated = folder / "real"
        return (
            reading.figures(source, generated, folder)
            | near_duplicates.figures(generated, source)
            | overlays.figures(generated)
            | _measure_prior(generated)
            | _measure_judges(generated)
        )


def _measure_judges(generated: Path) -> Figures:
    """Return figures of the shipped judges on test patients, worked out anew, by dataset.

    Images whose label is disputed are left out.
    """
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


def _measure_prior(generated: Path) -> Figures:
    """Return what the pooled prior gains over each rival on test patients, in nats a lesion.

    Everything is fitted anew to training patients; `..._least` is the low end of a gain's interval.
    """
    tables, cohort = find_tables(generated), generated / "cohort" / FILE
    columns = [name for name in COLUMNS if name not in ADDED]
    rows = list(read_rows(tables, cohort, columns=columns, usable=has_usable_label))
    base = load_prior(PUBLISHED)
    train, test = (
        make_lesions([row for row in rows if row["split"] == split], base)
        for split in ("train", "test")
    )
    pooling = PriorsParams()
    used = train.weigh(pooling.weights)
    priors = {
        "pooled": fit_prior(train, base, pooling, name="pooled", source="bench").prior,
        "published": base,
        "by_class": fit_independent(used, base),
        "apart": fit_independent(used, base, classes=False),
    }
    found: dict[str, Any] = compare(priors, test, rng(0, "bench"))["all"]
    measured = {}
    for rival, name in RIVALS.items():
        gain = found["gain"][rival] | {"n": found["n"]}
        measured[f"prior_gain_{name}"] = figure_of(gain, "nat")
        measured[f"prior_gain_{name}_least"] = Figure(gain["interval"][0], "nat", gain["n"])
    return measured
