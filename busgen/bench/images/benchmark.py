"""Benchmark of a learned image engine against held-out real patients, the phantom beside it.

In: three public datasets in $BUSGEN_REAL, or ../shared/data beside the checkout; what is read from
them, and judges trained for this benchmark alone, are kept in data/work/bench-images. Out: figures.
Images are rendered for the crops of all validation and test patients: their masks, classes, stated
descriptors and devices (the phantom: the nearest style), so that only the image differs; no gate is
asked. Intervals are 95 % bootstraps over patients, Wilson's for shares, ranges for times.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from busgen.arrays import Pixels
from busgen.bench.harness import Figures, drop_missing, read_bars
from busgen.bench.images import control, findings, membership, realism, speed as images_speed, text
from busgen.bench.images.findings import Lesions, match_findings, render
from busgen.bench.real import overlays
from busgen.bench.real.reading import read_tables
from busgen.code import ROOT
from busgen.gates.judged_scores import Judges
from busgen.images.engines import load_image_engine
from busgen.metrics.two_sample import Recipe
from busgen.real.crops import SIDE, SPLITS

SUBJECT, RIVAL = "diffusion", "phantom"
HELD_OUT = ("validation", "test")
TOLD = "breast"  # the dataset whose readers state terms
WORK = ROOT / "data" / "work" / "bench-images"
SEED = 20261125
THREADS = 2

BARS = read_bars("images")
Images = Mapping[str, Pixels]  # engine -> (N, S, S)


@dataclass(frozen=True)
class Size:
    """How much is rendered and learned.

    `held_out` crops at most, `families` of counterfactuals, `timed` images; `recipe` of the
    two-sample classifier.
    """

    held_out: int
    families: int
    timed: int
    recipe: Recipe | None = None
    quick: bool = False


FULL = Size(10_000, 32, 256)
QUICK = Size(60, 3, 8, Recipe(steps=2), quick=True)


@dataclass(frozen=True)
class RealData:
    """Real data as read: tables, the cohort's file, folders of crops by split, held-out crops."""

    tables: Sequence[Path]
    cohort: Path
    folders: Mapping[str, Path]
    held_out: Lesions

    def crops(self, splits: Sequence[str]) -> Lesions:
        """Return the labelled crops of `splits`."""
        return findings.describe(self.tables, self.cohort, self.folders, splits)


def measure(*, quick: bool = False) -> Figures:
    """Return the figures of the engine `SUBJECT`; takes some 25 minutes on two cores.

    `quick` renders few images and hardly trains: a rehearsal, no result. The first time, reading
    the datasets and training the judges takes up to eight minutes more.
    """
    size = QUICK if quick else FULL
    with TemporaryDirectory(prefix="busgen-bench-") as scratch:
        folder = Path(scratch)
        # first, while nothing else is in memory
        speed = images_speed.figures(SUBJECT, size.timed, folder, quick=size.quick)
        real, judges = _real(size, folder)
        engines = {n: load_image_engine(n, SIDE, "auto", THREADS) for n in (SUBJECT, RIVAL)}
        held_out = real.held_out
        request = match_findings(held_out, SEED)
        generated = {name: render(engine, request) for name, engine in engines.items()}
        lesions = held_out.crops.is_labelled
        outlined = {name: images[lesions] for name, images in generated.items()}
        every = real.crops(SPLITS)
        stated = every.pick(every.crops.datasets == TOLD)
        clean = overlays.read_images(real.tables, real.cohort)
        base, families = control.select(request, size.families), Figures()
        for name, engine in engines.items():
            families |= control.measure(engine, base, text.MEASURES, name)
        return {
            **speed,
            **_realism(real, generated, size),
            **control.figures(judges, held_out.crops.pick(lesions), outlined, SUBJECT),
            **text.figures(stated, held_out, request, generated, SUBJECT),
            **overlays.measure(clean, generated, SUBJECT),
            **_membership(real, held_out),
            **families,
        }


def _real(size: Size, scratch: Path) -> tuple[RealData, Judges]:
    """Return the real data and the judges of this benchmark, made where they are not there yet."""
    tables, cohort = read_tables(WORK / "real", scratch)
    judges, folders = control.load_judges(tables, cohort, WORK, quick=size.quick)
    held_out = findings.describe(tables, cohort, folders, HELD_OUT).subsample(size.held_out)
    return RealData(tables, cohort, folders, held_out), judges


def _membership(real: RealData, held_out: Lesions) -> Figures:
    """Return how well losses tell as many training patients' images from held-out ones."""
    known = real.crops(("train",)).subsample(len(held_out.crops))
    return drop_missing({"membership_auc": membership.measure(known, held_out, SEED)})


def _realism(real: RealData, generated: Images, size: Size) -> Figures:
    """Return the scores of realism, and of the autoencoder's round trip."""
    held_out = real.held_out.crops
    standard = realism.make_reference(held_out, real.crops(("train",)).crops)
    test = np.isin(held_out.groups, real.crops(("test",)).crops.groups)
    learned = realism.encode(held_out, test)
    measured = realism.measure(learned) | realism.floors(held_out, size.recipe)
    for name, images in generated.items():
        crops = realism.match_pairs(held_out, images)
        measured |= realism.figures(name, crops, standard, size.recipe)
        measured |= realism.distances(name, images, learned)
    return measured
