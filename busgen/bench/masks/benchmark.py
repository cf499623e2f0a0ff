"""Benchmark of the learned mask engine against held-out patients' outlines, others beside it.

In: findings drawn from the prior; three public datasets in $BUSGEN_REAL, or ../shared/data beside
the checkout, kept as read in data/work/bench-images. Out: figures. Masks are drawn for
the lesions of all validation and test patients: same class, same box; terms that no reader states
are drawn from the prior. The interval of the rate is its range, of shares Wilson's, of others 95 %
bootstraps over patients.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from busgen.arrays import Pixels
from busgen.bench.harness import Figure, Figures, read_bars
from busgen.bench.images.findings import Lesions, describe, draw_findings, match_findings
from busgen.bench.masks import outlines, realism, utility
from busgen.bench.real.reading import read_tables
from busgen.code import ROOT
from busgen.images.engines import load_image_engine
from busgen.judges.training.stage import prepare, work_folder
from busgen.masks import raster
from busgen.masks.engines import load_mask_engine
from busgen.metrics.two_sample import Recipe
from busgen.params.train_judges import TrainJudgesParams
from busgen.priors.draw import draw
from busgen.priors.findings import Finding
from busgen.priors.network import load_prior
from busgen.real.crops import SIDE

SUBJECT, RIVALS = "semantic_curvature", ("curvature", "ellipse", "elastic_real")
HELD_OUT = ("validation", "test")
READERS = "breast"  # that state terms
WORK = ROOT / "data" / "work" / "bench-images"
SEED = 20261122
FAMILY = 4  # masks drawn for each described outline
ENGINE = "phantom"  # that draws the images of utility

BARS = read_bars("masks")
Engines = Mapping[str, Callable[[Sequence[Finding]], Pixels]]


@dataclass(frozen=True)
class Size:
    """How much is drawn and learned: findings, held-out lesions at most, images an arm."""

    findings: int
    repetitions: int
    held_out: int
    training: int
    taught: utility.Size
    recipe: Recipe | None = None


FULL = Size(12_000, 6, 10_000, 800, utility.Size(3, 1.0))
QUICK = Size(600, 2, 60, 48, utility.Size(1, 0.02), replace(realism.RECIPE, steps=2))


def measure(*, quick: bool = False) -> Figures:
    """Return the figures; takes some 25 minutes on two cores, `quick` rehearses."""
    size = QUICK if quick else FULL
    engine = load_mask_engine(SUBJECT)
    assert isinstance(engine, raster.MaskEngine)
    findings = draw(load_prior(), size.findings, SEED)
    lesions = [finding for finding in findings if finding.has_lesion]
    with TemporaryDirectory(prefix="busgen-bench-") as scratch:
        own = outlines.figures(engine, findings, size.repetitions)
        training, held_out, test = _real(size, Path(scratch))
        engines = _engines(training)
        masks = engine.draw(lesions)
        return {
            **own,
            **outlines.measure_agreement(masks, lesions),
            **_figures(engines, training, held_out, size),
            **outlines.marginals(masks, lesions, held_out),
            **_utility(engines, training, test, Path(scratch), size),
        }


def _real(size: Size, scratch: Path) -> tuple[Lesions, Lesions, Lesions]:
    """Return labelled lesions of training, held-out and test patients, read if not there yet."""
    tables, cohort = read_tables(WORK / "real", scratch)
    folders = prepare(tables, cohort, work_folder(tables, cohort, TrainJudgesParams(), WORK))
    parts = [describe(tables, cohort, folders, own) for own in (("train",), HELD_OUT, ("test",))]
    training, held_out, test = (part.pick(part.crops.is_labelled) for part in parts)
    return training, held_out.subsample(size.held_out), test


def _engines(training: Lesions) -> Engines:
    """Return what draws masks of findings, the subject first."""
    return {
        SUBJECT: load_mask_engine(SUBJECT).draw,
        "curvature": load_mask_engine("curvature").draw,
        "ellipse": lambda findings: utility.draw_ellipses(findings, SIDE),
        "elastic_real": lambda findings: utility.deform(findings, training.crops, SIDE),
    }


def _figures(engines: Engines, training: Lesions, held_out: Lesions, size: Size) -> Figures:
    """Return realism, diversity, novelty and control, of the subject and of its rivals."""
    request, held, readers = match_findings(held_out, SEED), _cases(held_out), _described(held_out)
    generated = {name: engine(request.findings) for name, engine in engines.items()}
    drawn = {"real": _cases(readers)}
    for name, engine in engines.items():  # `FAMILY` masks for each lesion
        families = [match_findings(readers, SEED + 1 + k) for k in range(FAMILY)]
        masks = np.concatenate([engine(family.findings) for family in families])
        groups = np.tile(readers.crops.groups, FAMILY)
        drawn[name] = realism.Cases(masks, groups, readers.rows * FAMILY)
    measured = {
        **realism.diversity(generated, held),
        **realism.novelty(generated, held, np.asarray(training.crops.masks)),
        **realism.terms(_cases(_described(training)), drawn),
    }
    for name, masks in generated.items():
        measured |= realism.two_sample(name, masks, held, size.recipe)
    return measured | _gaps(measured)


def _gaps(measured: Mapping[str, Figure]) -> Figures:
    """Return what bars are put on: the subject against real."""
    gaps = {}
    for name in ("coverage", "density", "shape_read", "margin_auc"):
        own, real = measured[f"{name}_{SUBJECT}"], measured[f"{name}_real"].value
        if name == "coverage":
            gaps["coverage_of_real"] = replace(own, value=own.value / real, unit="times")
        else:
            gap = real - own.value
            gaps[f"{name}_gap"] = replace(own, value=abs(gap) if name == "density" else gap)
    return {name: replace(gap, interval=None) for name, gap in gaps.items()}


def _described(real: Lesions) -> Lesions:
    """Return the lesions that have a reader's shape and margin."""
    stated = [bool(row["shape"]) and row["margin"] is not None for row in real.rows]
    return real.pick((real.crops.datasets == READERS) & stated)


def _cases(real: Lesions) -> realism.Cases:
    return realism.Cases(np.asarray(real.crops.masks), real.crops.groups, real.rows)


def _utility(
    engines: Engines, training: Lesions, test: Lesions, scratch: Path, size: Size
) -> Figures:
    """Return what images of each engine's masks teach, drawn by one image engine.

    Arms have findings of training patients' classes and machines, all else of the prior.
    """
    training = training.subsample(size.training)
    request = draw_findings(training, SEED)
    painter, arms = load_image_engine(ENGINE, SIDE), {}
    for name, engine in engines.items():
        masks = engine(request.findings)
        images, clear = painter.render(list(request.findings), masks), np.zeros_like(masks)
        arms[name] = replace(training.crops, images=images, masks=masks, ignore=clear)
    measured = utility.measure(arms, test.crops, scratch, size.taught, SUBJECT)
    worst = min((measured[f"utility_dice_gain_{name}"] for name in RIVALS), key=lambda f: f.value)
    return measured | {"utility_dice_gain_worst": worst}
