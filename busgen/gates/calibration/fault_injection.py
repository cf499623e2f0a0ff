"""Proof that the gates work: faults planted into real images, and how many are detected.

In: clean pairs of patients that nothing learned from, clean pairs of training patients for copies,
the gates with those whom they ask. Out: a table of shares detected, each gate by itself and all
together at given bounds, with 95 % Wilson intervals and detection curves.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from math import isnan
from typing import Any, NamedTuple

import numpy as np

from busgen.arrays import Floats
from busgen.compute.cores import on_all_cores
from busgen.gates.calibration import faults
from busgen.gates.calibration.faults import Fault, Pair
from busgen.gates.image_checks import Scores
from busgen.gates.judged_scores import Judges, judge_pairs
from busgen.gates.scores import score_copies, score_image, score_lesion, verdict
from busgen.params.gates import Gate
from busgen.schema import JUDGED
from busgen.seeds import rng
from busgen.similarity.known_images import KnownImages
from busgen.stats.proportions import wilson_interval
from busgen.stats.roc import auc

SWAPPED, MISLABELLED, COPY = "swapped_mask", "wrong_label", "copy_"
# Each with its strengths; of the first it is asked that .95 are detected, the others are its curve.
PLANTED: Mapping[str, tuple[Fault, tuple[float, ...]]] = {
    "blank": (faults.blank_part, (1.0, 0.9, 0.75, 0.5)),
    "noise": (faults.replace_by_noise, (1.0, 0.75, 0.5, 0.25)),
    "upside_down": (faults.flip, (1.0,)),
    "overlay": (faults.add_overlay, (2.0, 1.0, 5.0)),
}
COPIED: Mapping[str, tuple[Fault, tuple[float, ...]]] = {
    "noise": (faults.add_noise, (10.0, 20.0)),
    "crop": (faults.crop, (0.05, 0.1, 0.2)),
    "flip": (faults.mirror, (1.0,)),
    "brightness": (faults.brighten, (0.5, 1.0)),
    "elastic": (faults.deform, (4.0, 8.0, 16.0)),
}
CURVES: Mapping[str, tuple[Fault, tuple[float, ...]]] = {
    "shift_px": (faults.shift, (4.0, 8.0, 16.0, 32.0, 64.0)),
    "blur_px": (faults.blur, (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)),
    "inside_grey": (faults.brighten_lesion, (20.0, 40.0, 60.0, 80.0, 120.0)),
}
BAND, BAND_GREY = "contrary_band", (20.0, 40.0, 60.0, 80.0)  # of lesions whose band is described
REFUSED = (0.01, 0.05, 0.1, 0.2, 0.3)  # of right labels, by the classifier alone
Record = dict[str, Any]


def score(
    pairs: Sequence[Pair], judges: Judges | None, known: KnownImages | None = None
) -> list[Scores]:
    """Return the gate scores of pairs; None where one does not apply, as in `gates.verdict`.

    What is asked of a finding's numbers (`mask_error`) and of a whole release
    (`duplicate_distance`) is absent: a fault that keeps finding and mask in step is the harder one.
    """
    with on_all_cores() as pool:
        record = list(pool.map(partial(_score, known=known), pairs))
    request = [k for k, pair in enumerate(pairs) if pair.malignant is not None and pair.mask.any()]
    if judges is not None and request:
        own = [(pairs[k].image, pairs[k].mask, bool(pairs[k].malignant)) for k in request]
        judged = judge_pairs(judges, *(np.array(each) for each in zip(*own, strict=True)))
        for k, scores in zip(request, judged.tolist(), strict=True):
            record[k] |= dict(zip(JUDGED, scores, strict=True))
    return record


def detect(
    fault: str, strength: float, scores: Sequence[Scores], gates: Mapping[str, Gate]
) -> Record:
    """Return how many of the pairs with these scores are refused, at the bounds of `gates`.

    `fault`, `strength` what was planted, to stand in the result; `scores` as `score` returns them,
    of one pair or more; `gates` name -> gate, of all scores.

    Returns ``fault, strength, n``; ``rejected`` by all rejecting gates together, with the
    ``interval`` of its share; ``flagged``, not rejected; ``gates``: name -> how many each of them,
    rejecting or flagging, does not pass.
    """
    verdicts = [verdict(one, gates) for one in scores]
    names = {name: None for one in scores for name in one if gates[name].action != "off"}
    rejected = sum(not accepted for accepted, _, _ in verdicts)
    flagged = sum(accepted and bool(flags) for accepted, _, flags in verdicts)
    refused = {name: sum(_refuses(name, one, gates) for one in scores) for name in names}
    found = {"fault": fault, "strength": strength, "n": len(scores), "rejected": rejected}
    ends = [round(end, 4) for end in wilson_interval(rejected, len(scores))]
    return found | {"flagged": flagged, "gates": refused, "interval": ends}


def detection_rate(clean: Floats, faulty: Floats, shares: Sequence[float]) -> list[float]:
    """Return the share of faulty scores below bounds that refuse these shares of the clean ones.

    One score, low where something is wrong: its whole curve, whatever the gate's bound. `clean`,
    `faulty` (n,) and (m,) scores; `shares` in [0, 1]; at most this share of `clean` lies below the
    bound.
    """
    bounds = np.quantile(clean, shares, method="lower")
    return [float((faulty < bound).mean()) for bound in bounds]


def _score(pair: Pair, known: KnownImages | None) -> Scores:
    scores: Scores = score_image(pair.image) | score_copies([pair.image], known)[0]
    if pair.mask.any():
        scores |= score_lesion(pair.image, pair.mask, pair.echo_pattern, pair.posterior)
    return scores


def _refuses(name: str, scores: Scores, gates: Mapping[str, Gate]) -> bool:
    """Return whether the gate, rejecting or flagging, does not pass what is asked of it."""
    score = scores.get(name)
    return score is not None and (isnan(score) or not gates[name].passes(score))


class Gates(NamedTuple):
    """The gates, and whom they ask: judges, known training images."""

    judges: Judges
    known: KnownImages
    gates: Mapping[str, Gate]

    def _detect(self, name: str, strength: float, pairs: Sequence[Pair]) -> Record:
        """Return what the gates catch of pairs with one fault."""
        return detect(name, strength, score(pairs, self.judges, self.known), self.gates)


def inject_faults(keeper: Gates, test: Sequence[Pair], training: Sequence[Pair]) -> Record:
    """Return what `detect` does: of ``clean`` pairs, of ``faults`` at each strength.

    `keeper` the gates at their bounds; `test` clean pairs of patients that nothing learned from;
    faults of masks and labels are planted into those with a lesion; `training` clean pairs of
    training patients, which copies are made of; as many as of `test` are taken. ``labels`` is what
    the classifier can tell of ``n`` wrong labels: its ``auc`` of the class on the same images, and
    a ``curve`` that pairs a share of right labels that a bound refuses with that of wrong ones.
    """
    lesions = [pair for pair in test if pair.mask.any()]
    known = training[:: max(1, len(training) // len(test))][: len(test)]
    found: list[Record] = []
    for name, (plant, strengths) in PLANTED.items():
        found += _curve(keeper, (name, plant), strengths, test)
    for name, (plant, strengths) in COPIED.items():
        found += _curve(keeper, (COPY + name, plant), strengths, known)
    masks = [pair.mask for pair in lesions]
    swapped = [faults.swap_mask(one, masks, rng(k, SWAPPED)) for k, one in enumerate(lesions)]
    found.append(keeper._detect(SWAPPED, 1.0, swapped))
    for name, (plant, strengths) in CURVES.items():
        found += _curve(keeper, (name, plant), strengths, lesions)
    if described := [pair for pair in lesions if pair.posterior]:
        found += _curve(keeper, (BAND, faults.invert_band), BAND_GREY, described)
    wrong = [faults.swap_label(pair, rng(k, MISLABELLED), 1.0) for k, pair in enumerate(lesions)]
    record = score(wrong, keeper.judges, keeper.known)
    found.append(detect(MISLABELLED, 1.0, record, keeper.gates))
    clean = keeper._detect("none", 0.0, test)
    return {"clean": clean, "faults": found, "labels": _labels(lesions, record)}


def _curve(
    keeper: Gates, fault: tuple[str, Fault], strengths: Sequence[float], pairs: Sequence[Pair]
) -> list[Record]:
    """Return what is detected of a fault at each strength."""
    (name, plant), found = fault, []
    for s in strengths:
        planted = [plant(pair, rng(k, f"{name} {s:g}"), s) for k, pair in enumerate(pairs)]
        found.append(keeper._detect(name, s, planted))
    return found


def _labels(lesions: Sequence[Pair], wrong: Sequence[Scores]) -> Record:
    """Return the curve of wrong labels; a judge that gives the wrong class p gives 1 - p the right.

    So the confidence in right labels is known without asking again.
    """
    faulty = np.array([one["label_confidence"] for one in wrong], np.float64)
    right: Floats = 1 - faulty
    malignant = np.array([bool(pair.malignant) for pair in lesions])
    ranks = auc(malignant, np.where(malignant, right, faulty))
    curve = zip(REFUSED, detection_rate(right, faulty, REFUSED), strict=True)
    return {"auc": ranks, "n": len(lesions), "curve": list(curve)}
