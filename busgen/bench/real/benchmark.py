"""Benchmark of what is made of real data: cleaning, overlays, copies, prior, judges.

In: three public datasets in $BUSGEN_REAL, or ../shared/data beside the checkout. Out: figures. All
that is learnt is measured on test patients. Intervals are 95 %: of shares Wilson's, of the judges
and the prior bootstraps over patients.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from busgen.bench.harness import Bar, Figure
from busgen.bench.real import judges, near_duplicates, overlays, prior, reading

FEW = 60  # images up to this number are read in a rehearsal

BARS = {
    "read_clean_split_s": Bar("<=", 240.0),
    "read_again_s": Bar("<=", 3.0),
    "read_memory_growth": Bar("<=", 1.2),
    "near_duplicate_recall": Bar(">=", 0.99),
    "planted_copy_recall": Bar(">=", 0.95),
    "leaks": Bar("<=", 0.0),
    "overlay_recall": Bar(">=", 0.95),
    "overlay_tissue_lost": Bar("<=", 0.01),
    "prior_gain_independent_least": Bar(">", 0.0),
    "prior_gain_published_least": Bar(">", 0.0),
    "segmenter_dice_bus_bra": Bar(">=", 0.85),
    "classifier_auc_bus_bra": Bar(">=", 0.80),
    "calibration_error": Bar("<=", 0.05),
    "judges_ms": Bar("<=", 25.0),
    "judges_mb": Bar("<=", 12.0),
}


def measure(*, quick: bool = False) -> dict[str, Figure]:
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
            | prior.figures(generated)
            | judges.figures(generated)
        )
