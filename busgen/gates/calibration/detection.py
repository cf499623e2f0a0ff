"""How many planted faults the gates catch, each by itself and all together, at given bounds.

In: pairs (`busgen.gates.calibration.faults`), gates, judges. Out: counts with 95 % Wilson
intervals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isnan

import numpy as np

from busgen.arrays import Floats
from busgen.compute.cores import on_all_cores
from busgen.gates.calibration.faults import Pair
from busgen.gates.judged_scores import Judges, judge_pairs
from busgen.gates.scores import score_copies, score_image, score_lesion, verdict
from busgen.params.gates import Gate
from busgen.schema import JUDGED
from busgen.similarity.known_images import KnownImages
from busgen.stats.proportions import wilson_interval

Scores = dict[str, float | None]


@dataclass(frozen=True)
class Detection:
    """Of `n` pairs with one fault of one strength: how many are refused, and by which gates.

    `rejected` by all rejecting gates together; `flagged` not rejected, but flagged; `gates` name ->
    how many each of them, rejecting or flagging, does not pass.
    """

    fault: str
    strength: float
    n: int
    rejected: int
    flagged: int
    gates: Mapping[str, int]

    @property
    def share(self) -> float:
        """Share rejected."""
        return self.rejected / self.n

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share rejected."""
        return wilson_interval(self.rejected, self.n)


def score(
    pairs: Sequence[Pair], judges: Judges | None, known: KnownImages | None = None
) -> list[Scores]:
    """Return the gate scores of pairs; None where one does not apply, as in `gates.verdict`.

    What is asked of a finding's numbers (`mask_error`) and of a whole release
    (`duplicate_distance`) is absent: a fault that keeps finding and mask in step is the harder one.
    """
    with on_all_cores() as pool:
        told = list(pool.map(partial(_score, known=known), pairs))
    asked = [k for k, pair in enumerate(pairs) if pair.malignant is not None and pair.mask.any()]
    if judges is None or not asked:
        return told
    images, masks = (np.stack([getattr(pairs[k], x) for k in asked]) for x in ("image", "mask"))
    malignant = np.array([bool(pairs[k].malignant) for k in asked])
    judged = judge_pairs(judges, images, masks, malignant)
    for k, scores in zip(asked, judged.tolist(), strict=True):
        told[k] |= dict(zip(JUDGED, scores, strict=True))
    return told


def detect(
    fault: str, strength: float, scores: Sequence[Scores], gates: Mapping[str, Gate]
) -> Detection:
    """Return how many of the pairs with these scores are refused, at the bounds of `gates`.

    `fault`, `strength` what was planted, to stand in the result; `scores` as `score` returns them,
    of one pair or more; `gates` name -> gate, of all scores.
    """
    verdicts = [verdict(one, gates) for one in scores]
    names = {name: None for one in scores for name in one if gates[name].action != "off"}
    return Detection(
        fault,
        strength,
        len(scores),
        sum(not accepted for accepted, _, _ in verdicts),
        sum(accepted and bool(flags) for accepted, _, flags in verdicts),
        {name: sum(_refuses(name, one, gates) for one in scores) for name in names},
    )


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
