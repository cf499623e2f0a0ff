"""Control by masks and labels, as judges see it that decide nothing; by one word that changes.

In: held-out real crops, images rendered in their stead inside their own masks, the judges. Out:
figures on real and on rendered images, and how far the latter fall short, paired by crop. The
judges, a segmenter and a classifier, are small and trained on real training patients with other
widths, another size and another seed than those that gate (`busgen/assets/judges`). The classifier
sees no mask: whatever it tells, it tells from the image. They are kept in the work folder, named
after all that decides their weights; threshold and scale are fitted on validation patients.
Counterfactual families have one seed and mask, and one word changed: in which share of the pairs
the measurement that goes with the word moves as it should, and in which the rest of the image stays
(`busgen.metrics.counterfactuals`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from busgen.arrays import Bools, Floats, Pixels
from busgen.bench.harness import Figure, Figures, drop_missing, figure_of, interval, mean, share
from busgen.bench.images.findings import Request, render, to_text
from busgen.bench.images.text import Measure
from busgen.gates.judged_scores import Judges
from busgen.images.contract import ImageEngine
from busgen.imaging.decode import bounding_box
from busgen.judges import judges
from busgen.judges.training import stage
from busgen.judges.training.stage import TRAINED, Folders, map_jobs, prepare, train, work_folder
from busgen.metrics.counterfactuals import RISING, Families, share_moved, share_unchanged
from busgen.params.train_judges import ClassifierParams, JudgeParams, TrainJudgesParams
from busgen.real.crops import Crops
from busgen.stats.overlap import dice, largest_part
from busgen.stats.patients import Score
from busgen.stats.roc import auc, auc_score

SEED = 20261125
WORKERS = 2
Words = Mapping[str, object]
Measures = Mapping[str, Measure]
PLAIN: Words = {"echo_pattern": "hypoechoic", "posterior": "none", "halo": False}
LADDERS = (  # a field, the terms that its measure rises with, the measure
    ("posterior", RISING["posterior"], "posterior"),
    ("echo_pattern", ("anechoic", "hypoechoic"), "darkness"),
    ("echo_pattern", ("hypoechoic", "isoechoic", "hyperechoic"), "echo"),
    ("halo", RISING["halo"], "rim"),
)
WORDS: Words = {"no": False, "yes": True}  # of a finding, where another
ROOM = 0.15  # of the image's height that a lesion leaves below it for posterior features


@dataclass(frozen=True)
class Answers:
    """What judges say of images of lesions: (N,) each.

    `dice` of the found mask and the one asked for; `orientation` 1 where both are taller than wide
    or neither is, 0 where not or nothing is found; `malignant` chance of that class.
    """

    dice: Floats
    orientation: Floats
    malignant: Floats


def judge(judges: Judges, images: Pixels, masks: Pixels) -> Answers:
    """Return what `judges` say of images (N, S, S) whose lesions are to lie in `masks`."""
    found = judges.segment(images) > 0.5
    agreed = np.array([agree(*pair) for pair in zip(found, masks, strict=True)], np.float64)
    return Answers(dice(found, masks > 0), agreed, judges.classify(images, masks))


def agree(found: Bools, mask: Pixels) -> bool:
    """Return whether the largest found part is taller than wide exactly where the mask is."""
    part = largest_part(found.astype(np.float32)).astype(np.uint8)
    own, box = bounding_box(part), bounding_box(mask)
    if own is None or box is None:
        return False
    return (own.height > own.width) == (box.height > box.width)


def figures(judges: Judges, real: Crops, generated: dict[str, Pixels], subject: str) -> Figures:
    """Return the judges' figures on real crops and on images rendered in their stead.

    `real` are held-out crops of lesions whose class is known, `generated` each engine's images
    (N, S, S) uint8 in their order. Gaps are real minus the `subject`'s, paired by crop.
    """
    groups, malignant = real.groups, real.is_malignant
    seen = {name: judge(judges, images, real.masks) for name, images in generated.items()}
    truth = judge(judges, np.asarray(real.images), real.masks)
    measured: dict[str, Figure | None] = {}
    for name, one in {"real": truth, **seen}.items():
        score = auc_score(malignant, one.malignant)
        measured |= {
            f"control_dice_{name}": mean(one.dice, groups, "Dice", "dice"),
            f"control_auc_{name}": interval(score, groups, "AUC", "auc"),
            f"control_orientation_{name}": mean(one.orientation, groups, "share", "orientation"),
        }
    own = seen[subject]
    loss = auc_loss(malignant, truth.malignant, own.malignant)
    turned = truth.orientation - own.orientation
    gaps = {
        "control_dice_gap": mean(truth.dice - own.dice, groups, "Dice", "dice gap"),
        "control_auc_gap": interval(loss, groups, "AUC", "auc gap"),
        "control_orientation_gap": mean(turned, groups, "share", "orientation gap"),
    }
    if gap := gaps["control_dice_gap"]:  # too well is as far from real as too badly
        gaps["control_dice_apart"] = replace(gap, value=abs(gap.value), interval=None)
    return drop_missing(measured | gaps)


def auc_loss(outcomes: Bools, real: Floats, generated: Floats) -> Score:
    """Return, as a score of rows, how far the AUC on rendered images is below that on real."""
    return lambda rows: auc(outcomes[rows], real[rows]) - auc(outcomes[rows], generated[rows])


def load_judges(
    tables: Sequence[Path], cohort: Path, work: Path, *, quick: bool
) -> tuple[judges.Judges, Folders]:
    """Return the judges, trained unless `work` holds them, and the folders of crops by split.

    Training takes some four minutes on two cores, `quick` far less.
    """
    epochs = 1 if quick else 24
    params = TrainJudgesParams(
        seed=SEED,
        segmenter=JudgeParams(
            members=1, size_px=128, widths=(12, 28, 56, 96), epochs=epochs, polish=0
        ),
        classifier=ClassifierParams(
            members=1, blind=1, size_px=96, widths=(20, 40, 72, 104), epochs=epochs
        ),
        workers=WORKERS,
    )
    own = work_folder(tables, cohort, params, work)
    splits = prepare(tables, cohort, own)
    if (own / TRAINED).is_dir():
        return judges.load_judges(own / TRAINED, "cpu"), splits
    plan = stage.plan(params, splits["train"], own)
    mapped = partial(map_jobs, workers=WORKERS, tick=lambda _: None)
    return train(plan, splits, own, mapped), splits


def select(request: Request, n: int) -> Request:
    """Return up to `n` lesions that leave room below them, as plain hypoechoic ones."""
    lowest = request.masks.shape[1] * (1 - ROOM)
    ends = (request.masks.any(axis=2) * np.arange(request.masks.shape[1])).max(axis=1)
    chosen = np.flatnonzero(request.masks.any(axis=(1, 2)) & (ends < lowest))
    few = np.unique(np.linspace(0, len(chosen) - 1, n).round().astype(np.intp))
    return _change_terms(request.pick(chosen[few]), PLAIN)


def _change_terms(request: Request, words: Words) -> Request:
    """Return the findings with other words: seeds, boxes and phrasings stay."""
    changed = (replace(finding, **words) for finding in request.findings)  # type: ignore[arg-type]
    return replace(request, findings=tuple(map(to_text, changed)))


def measure(engine: ImageEngine, base: Request, measures: Measures, name: str) -> Figures:
    """Return the share of pairs that move as asked, by pair of words and in all, and that stay.

    `base` holds findings with the words of `PLAIN`; `measures` go by the names of
    `text.MEASURES`; `name` ends the figures' names.
    """
    same = render(engine, base)
    measured: Figures = {}
    for field, terms, seen_by in LADDERS:
        members = [
            same if word == PLAIN[field] else render(engine, _change_terms(base, {field: word}))
            for word in (WORDS.get(term, term) for term in terms)
        ]
        families = Families(np.stack(members, axis=1), base.masks, field, terms)
        shares = share_moved(families, measures[seen_by])
        shares.pop("order")
        for pair, found in shares.items():
            measured[f"pairs_{field}_{pair.replace(' < ', '_')}_{name}"] = figure_of(found, "share")
        measured[f"pairs_{seen_by}_kept_{name}"] = figure_of(share_unchanged(families), "share")
    moved = [figure for key, figure in measured.items() if "_kept_" not in key]
    n = sum(figure.n for figure in moved)
    hits = sum(round(figure.value * figure.n) for figure in moved)
    return measured | {f"counterfactual_moved_{name}": share(hits, n)}
