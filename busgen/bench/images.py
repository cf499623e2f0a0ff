"""Benchmark of a learned image engine against held-out real patients, the phantom beside it.

In: three public datasets in $BUSGEN_REAL, or ../shared/data beside the checkout; what is read from
them, and judges trained for this benchmark alone, are kept in data/work/bench-images. Out: figures.
Pictures are rendered in the stead of the crops of all validation and test patients: their masks,
classes, stated descriptors and machines' styles, so that only the picture differs; no gate is
asked. For utility all but class and machine is drawn from the prior, masks too. Intervals are 95 %
bootstraps over patients, Wilson's for shares, ranges for times.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from busgen.bench import (
    images_control,
    images_counterfactual,
    images_judges,
    images_overlays,
    images_speed,
    images_terms,
    images_tissue,
    images_utility,
    real_reading,
)
from busgen.bench.factory import ROOT
from busgen.bench.harness import Bar, Figure
from busgen.bench.images_matched import Asked, Described, described, drawn, matched
from busgen.bench.images_scores import present
from busgen.bench.images_terms import MEASURES, Measure
from busgen.bench.real import real_folder
from busgen.images.engines import ImageEngine, load_image_engine
from busgen.quality.gates import Judges
from busgen.real.cohort import FILE, canonical_tables
from busgen.real.crops import SIDE, SPLITS

SUBJECT, RIVAL = "diffusion", "phantom"
HELD_OUT = ("validation", "test")
WORK = ROOT / "data" / "work" / "bench-images"
SEED = 20261125
THREADS = 2

BARS = {
    "control_dice_gap": Bar("<=", 0.05),
    "control_auc_gap": Bar("<=", 0.05),
    "control_orientation_gap": Bar("<=", 0.05),
    "terms_gap_worst": Bar("<=", 0.05),
    "counterfactual_moved": Bar(">=", 0.9),
    "overlays_excess": Bar("<=", 0.0),
    "images_per_s": Bar(">=", 4.0),
    "memory_gib": Bar("<=", 3.0),
}


@dataclass(frozen=True)
class Size:
    """How much is rendered: held-out crops at most, pairs a word, crops an arm, timed pictures."""

    held_out: int
    pairs: int
    training: int
    timed: int
    utility: images_utility.Size


FULL = Size(10_000, 32, 800, 256, images_utility.Size(3, 1.0))
QUICK = Size(60, 3, 48, 8, images_utility.Size(1, 0.02))


@dataclass(frozen=True)
class Real:
    """Real data as read: tables, the cohort's file, folders of crops by split, held-out crops."""

    tables: Sequence[Path]
    cohort: Path
    folders: Mapping[str, Path]
    held_out: Described


def measure(*, quick: bool = False) -> dict[str, Figure]:
    """Return the figures of the engine `SUBJECT`; takes up to 25 minutes on two cores.

    `quick` renders few pictures and hardly trains: a rehearsal, no result. The first time, reading
    the datasets takes four minutes more.
    """
    return measured(SUBJECT, QUICK if quick else FULL, quick=quick)


def measured(subject: str, size: Size, *, quick: bool) -> dict[str, Figure]:
    """Return the figures of any engine; `quick` decides how long the judges are trained."""
    engines = {name: load_image_engine(name, SIDE, "auto", THREADS) for name in (subject, RIVAL)}
    with TemporaryDirectory(prefix="busgen-bench-") as scratch:
        real, judges = real_data(size, Path(scratch), quick=quick)
        asked = matched(real.held_out, SEED)
        made = rendered(engines, asked)
        return {
            **control_figures(judges, real, made, subject),
            **term_figures(real, asked, made, subject),
            **overlay_figures(real, made, subject),
            **pair_figures(engines, asked, size, subject),
            **utility_figures(engines, real, judges, Path(scratch), size),
            **images_speed.rendering(subject, size.timed, Path(scratch)),
        }


def real_data(size: Size, scratch: Path, *, quick: bool) -> tuple[Real, Judges]:
    """Return the real data and the judges of this benchmark, made where they are not there yet."""
    made = WORK / "real"
    real_reading.clean(real_folder(), made, scratch)
    tables, cohort = canonical_tables(made), made / "cohort" / FILE
    judges, folders = images_judges.control_judges(tables, cohort, WORK, quick=quick)
    held_out = some(described(tables, cohort, folders, HELD_OUT), size.held_out)
    return Real(tables, cohort, MappingProxyType(dict(folders)), held_out), judges


def some(real: Described, n: int) -> Described:
    """Return at most `n` crops, evenly spread over all of them."""
    total = len(real.crops)
    chosen = np.zeros(total, np.bool_)
    chosen[np.linspace(0, total - 1, min(n, total)).round().astype(np.intp)] = True
    return real.pick(chosen)


def rendered(engines: Mapping[str, ImageEngine], asked: Asked) -> dict[str, NDArray[np.uint8]]:
    """Return each engine's pictures (N, S, S)."""
    return {name: engine.render(asked.findings, asked.masks) for name, engine in engines.items()}


def control_figures(
    judges: Judges, real: Real, made: Mapping[str, NDArray[np.uint8]], subject: str
) -> dict[str, Figure]:
    """Return control by masks and labels on the held-out lesions."""
    lesions = real.held_out.crops.labelled
    crops = real.held_out.crops.pick(lesions)
    return images_control.figures(judges, crops, {k: v[lesions] for k, v in made.items()}, subject)


def term_figures(
    real: Real, asked: Asked, made: Mapping[str, NDArray[np.uint8]], subject: str
) -> dict[str, Figure]:
    """Return control by words: echo pattern, posterior features, halo, tissue."""
    told, groups = [vars(finding) for finding in asked.findings], real.held_out.crops.groups
    lesions = real.held_out.crops.labelled
    read = {
        name: images_terms.read(images, asked.masks, told, groups, measures()).take(lesions)
        for name, images in made.items()
    }
    every = described(real.tables, real.cohort, real.folders, SPLITS)
    breast = every.pick(every.crops.datasets == "breast")
    split = np.array([row["split"] for row in breast.rows])
    outlined = breast.crops.labelled
    crops = breast.crops
    truth = images_terms.read(crops.images, crops.masks, breast.rows, crops.groups, measures())
    figures = images_terms.figures(read, truth.take(outlined), split[outlined] != "train", subject)
    return figures | tissue_figures(breast, asked, made, groups)


def tissue_figures(
    breast: Described,
    asked: Asked,
    made: Mapping[str, NDArray[np.uint8]],
    groups: NDArray[np.str_],
) -> dict[str, Figure]:
    """Return how well BrEaST's training patients let the tissue be told, on real and rendered."""
    training = np.array([row["split"] == "train" for row in breast.rows])
    seen = []
    for part in (breast.pick(training), breast.pick(~training)):
        tissues = [row["tissue"] for row in part.rows]
        crops = part.crops
        seen.append(images_tissue.see(crops.images, crops.datasets, tissues, crops.groups))
    model = images_tissue.fit(seen[0])
    styles = np.array([finding.scanner for finding in asked.findings])
    tissues = [finding.tissue for finding in asked.findings]
    lots = {"real": seen[1]} | {
        name: images_tissue.see(images, styles, tissues, groups) for name, images in made.items()
    }
    return present(
        {f"tissue_auc_{name}": images_tissue.figure(model, lot) for name, lot in lots.items()}
    )


def overlay_figures(
    real: Real, made: Mapping[str, NDArray[np.uint8]], subject: str
) -> dict[str, Figure]:
    """Return in how many pictures the overlay finder finds something."""
    clean = images_overlays.clean_pictures(real.tables, real.cohort)
    return images_overlays.figures(clean, made, subject)


def pair_figures(
    engines: Mapping[str, ImageEngine], asked: Asked, size: Size, subject: str
) -> dict[str, Figure]:
    """Return what counterfactual pairs show; the subject's share stands under the bar's name."""
    base = images_counterfactual.plain(asked, size.pairs)
    told: dict[str, Figure] = {}
    for name, engine in engines.items():
        told |= images_counterfactual.figures(engine, base, measures(), name)
    return told | {"counterfactual_moved": told[f"counterfactual_moved_{subject}"]}


def utility_figures(
    engines: Mapping[str, ImageEngine], real: Real, judges: Judges, scratch: Path, size: Size
) -> dict[str, Figure]:
    """Return what the engines' pictures teach, and how well they follow masks of the prior."""
    training = some(described(real.tables, real.cohort, real.folders, ("train",)), size.training)
    test = described(real.tables, real.cohort, real.folders, ("test",)).crops
    asked = drawn(training, SEED)
    made = rendered(engines, asked)
    arms = images_utility.arms(training.crops, made, asked.masks)
    return {
        **images_control.prior_figures(judges, made, asked.masks),
        **images_utility.figures(arms, test, scratch, size.utility),
    }


def measures() -> dict[str, Measure]:
    """Return what is measured inside, below and around a lesion, by the names of `MEASURES`."""
    from busgen.masks.surroundings import echo_level, posterior_band, rim_level

    each = (lambda image, mask: echo_level(image, mask).level, posterior_band, rim_level)
    return dict(zip(MEASURES, each, strict=True))
