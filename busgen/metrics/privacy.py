"""Privacy: how much nearer images lie to the patients a generator learned from than to others.

In: images, training and held-out ones in one feature space. Out: `Score`s, the floor of each what
held-out images themselves say, of which no generator knows anything. Where nothing is remembered
images are as near to training patients as to as many others: the ratio is 1, the share .5.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from busgen.errors import UserError
from busgen.metrics.distribution import radii
from busgen.seeds import Rng
from busgen.stats.bootstrap import DRAWS, Sample, Score
from busgen.stats.ks import MIN_N
from busgen.stats.patients import Floats, Rows, draw_groups, moved_interval, number_groups, resample
from busgen.stats.proportions import wilson_interval

NAMES = ("ratio", "nearer", "inauthentic", "same_patient")
LOW_IS_BAD = ("ratio",)
SHARES = NAMES[1:]
CLOSE = 0.05  # quantile of the distances within patients below which an image shows a patient
LEAST = 1e-9  # distances below are as none: a ratio stays finite

Between = Callable[[Floats, Floats], Floats]  # distances (N, M) of points (N, D) and (M, D)


class Privacy(NamedTuple):
    """`scores` by the names of `NAMES`, what they are taken from, and why some are missing.

    `ratio` median of d(nearest training image) / d(nearest held-out one), `nearer` share of
    images for which it is below 1, equally many of both; `inauthentic` share of images nearer
    to a training image than that one's own nearest of another patient (1 - AuthPct, Alaa 2022,
    arXiv 2102.08921); `same_patient` share nearer to a training image than `threshold`, the
    `CLOSE` quantile of the distances of `pairs` of images of one patient. The last two are of all
    training images, so that a few copies show.
    """

    scores: dict[str, Score]
    threshold: float | None
    pairs: int
    skipped: dict[str, str]


class _View(NamedTuple):
    """Distances of images to training (N, M) and held-out ones (N, K), and what is decided.

    `decided` (2, N): inauthentic, and nearer than the threshold.
    """

    training: Floats
    held_out: Floats
    decided: Floats
    groups: Rows

    def score(self, rows: Rows, training: Rows, held_out: Rows) -> Floats:
        """Return the numbers of `NAMES` of some images against some of both kinds."""
        seen = self.training[:, training].min(axis=1)[rows]
        unseen = self.held_out[:, held_out].min(axis=1)[rows]
        kept = np.isfinite(unseen)  # a patient drawn alone has no other beside it
        ratio = float(np.median(np.maximum(seen, LEAST)[kept] / np.maximum(unseen, LEAST)[kept]))
        nearer = float((np.sign(unseen - seen)[kept] / 2 + 0.5).mean())
        return np.array([ratio, nearer, *self.decided[:, rows].mean(axis=1)])


def score_privacy(
    generated: Sample,
    training: Sample,
    held_out: Sample,
    between: Between,
    rng: Rng,
    draws: int = DRAWS,
) -> Privacy:
    """Return how near `generated` images are to training patients; families and patients apart.

    Distances are those of `between`. `rng` draws whole training patients, as many images as are
    held out, and the bootstrap, `draws` each. Intervals are 95 % over families and patients;
    `floor_limit` is the 97.5 % quantile of the bootstrapped floor (2.5 % of the ratio, which is low
    where images are copies). Raises `UserError` if a kind has fewer than `MIN_N` images, or all of
    one patient.
    """
    kinds = (training, held_out)
    if min(map(len, (generated, *kinds))) < MIN_N or any(
        len(np.unique(k.groups)) < 2 for k in kinds
    ):
        got = f"{len(generated)}, {len(training)}, {len(held_out)}"
        rule = f"privacy needs {MIN_N} images, training and held-out ones, these of some patients"
        raise UserError(rule, got, "give more")
    of_training, of_held_out = (between(s.points, s.points) for s in (training, held_out))
    reach = radii(of_training, number_groups(training.groups), 1)
    alike, own = (s.groups[:, None] == s.groups[None, :] for s in (training, held_out))
    same = np.concatenate([of_training[np.triu(alike, 1)], of_held_out[np.triu(own, 1)]])
    threshold = float(np.quantile(same, CLOSE)) if len(same) >= MIN_N else None
    to_others = of_held_out + np.where(own, np.inf, 0.0)
    views = []
    for sample, unseen in (
        (generated, between(generated.points, held_out.points)),
        (held_out, to_others),
    ):
        seen, groups = between(sample.points, training.points), number_groups(sample.groups)
        least = seen.min(axis=1)
        decided = np.stack([least < reach[seen.argmin(axis=1)], least < (threshold or 0.0)])
        views.append(_View(seen, unseen, decided.astype(np.float64), groups))
    real = number_groups(training.groups), number_groups(held_out.groups)
    scores = _scores(views, *real, rng, draws)
    few: dict[str, str] = {}
    if threshold is None:
        few["same_patient"] = f"{len(same)} pairs of a patient: below {MIN_N}"
    return Privacy({k: v for k, v in scores.items() if k not in few}, threshold, len(same), few)


def _scores(
    views: Sequence[_View], training: Rows, held_out: Rows, rng: Rng, draws: int
) -> dict[str, Score]:
    """Return the scores of the first view, the floor that of the second."""
    n = min(len(training), len(held_out))
    values, boot = np.zeros((2, 2, draws, len(NAMES)))
    for k in range(draws):
        some, others = draw_groups(training, n, rng)[0], draw_groups(held_out, n, rng)[0]
        again = resample(training, n, rng), resample(held_out, n, rng)
        for view, value, spread in zip(views, values, boot, strict=True):
            value[k] = view.score(np.arange(len(view.groups)), some, others)
            spread[k] = view.score(resample(view.groups, len(view.groups), rng), *again)
    found = {}
    for k, name in enumerate(NAMES):
        (value, ends), (floor, limits) = (
            _interval(name, values[side, :, k], boot[side, :, k], len(view.groups))
            for side, view in enumerate(views)
        )
        limit = limits[0 if name in LOW_IS_BAD else 1]
        found[name] = Score(value, len(views[0].groups), ends, floor, limit)
    return found


def _interval(name: str, values: Floats, boot: Floats, n: int) -> tuple[float, tuple[float, float]]:
    """Return a mean and its interval, that of a share no narrower than Wilson's."""
    value = float(values.mean())
    low, high = moved_interval(value, boot)
    if name not in SHARES:
        return value, (max(low, 0.0), high)
    least, most = wilson_interval(value * n, n)
    return value, (max(0.0, min(low, least)), min(1.0, max(high, most)))
