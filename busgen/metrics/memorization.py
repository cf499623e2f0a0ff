"""Memorisation: synthetic images that are copies of training ones.

In: images of three kinds with their `us64` features. Out: the share that lies nearer to a
training image than held-out real images do, and the same share of those held-out ones. Copies
are whole images, mirrored, brighter, noisier or cut by a fortieth on each side too. Windows of
.85 are seldom found, a lesion copied into other tissue never.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from busgen.arrays import Bools, Floats32, Names, Pixels
from busgen.errors import UserError
from busgen.metrics.distribution import distances
from busgen.metrics.spaces.us64.features import FeatureSpace
from busgen.seeds import Rng
from busgen.similarity.known_images import mirror
from busgen.stats.patients import Floats, split_halves
from busgen.stats.proportions import wilson_interval

THUMB_PX = 64
BLURS = (1.0, 8.0)  # px of the thumbnail: finer is speckle and noise, coarser gain over depth
DRAWS = 20  # of equally many training and held-out images
RARE = 0.01  # of held-out images are nearer to a training image than the threshold


@dataclass(frozen=True)
class Features:
    """How images look to a comparison, in two spaces.

    `points` (N, D) of `us64`, which mirroring leaves as they are; `thumbs` (N, 64 * 64) unit
    thumbnails, band-passed; `groups` (N,) patient or family.
    """

    points: Floats
    thumbs: Floats32
    groups: Names

    def __len__(self) -> int:
        return len(self.points)


def describe(images: Pixels, groups: Names, space: FeatureSpace) -> Features:
    """Return how square images (N, S, S) uint8 of `groups` (N,) look."""
    return Features(space.embed(images), thumbnails(images), groups)


def thumbnails(images: Pixels) -> Floats32:
    """Return unit vectors (N, 64 * 64) of structures of some 2 to 16 pixels of a thumbnail.

    Their product is a normalised correlation that gain, offset and gain over depth leave alone.
    """
    out = np.zeros((len(images), THUMB_PX * THUMB_PX), np.float32)
    for k, image in enumerate(images):
        grey = cv2.resize(image, (THUMB_PX, THUMB_PX), interpolation=cv2.INTER_AREA)
        fine, coarse = (cv2.GaussianBlur(grey.astype(np.float32), (0, 0), b) for b in BLURS)
        flat = (fine - coarse).ravel()
        out[k] = flat / max(float(np.linalg.norm(flat)), 1.0)  # a blank image is like none
    return out


def find_copies(
    synthetic: Features, training: Features, held_out: Features, rng: Rng
) -> dict[str, Any]:
    """Return how many synthetic images are copies of those that their generator learned from.

    Held-out real images of other patients tell what nearness is a coincidence. Raises `UserError`
    if there are fewer than 4 held-out patients, or a kind has no image.

    Returns shares, of ``n`` synthetic and ``n_real`` held-out images: ``flagged`` nearer to a
    training image than all but `RARE` of the held-out ones in either space, ``floor`` the same
    share of held-out ones, by thresholds from other patients, each with its 95 % Wilson
    ``interval`` and ``floor_interval``; ``nearer`` nearer in `us64` to a training than to a
    held-out image, equally many of both (.5 where nothing is remembered; of images far from either
    a few outliers decide), ``nearer_floor`` the same of held-out ones. ``rows`` are flagged.
    """
    if min(len(synthetic), len(training)) < 1 or len(np.unique(held_out.groups)) < 4:
        got = f"{len(synthetic)}, {len(training)}, {len(held_out)}"
        rule = "copies need synthetic, training and held-out images, these of 4 patients or more"
        raise UserError(rule, got, "give more")
    own, real = nearest(synthetic, training), nearest(held_out, training)
    found = _below(own, real)
    half = split_halves(held_out.groups, rng)
    false = np.where(half, _below(real, real[:, ~half]), _below(real, real[:, half]))
    n, n_real = len(synthetic), len(held_out)
    return {
        "n": n,
        "n_real": n_real,
        "flagged": float(found.mean()),
        "interval": wilson_interval(int(found.sum()), n),
        "floor": float(false.mean()),
        "floor_interval": wilson_interval(int(false.sum()), n_real),
        "nearer": _near(synthetic, training, held_out, rng),
        "nearer_floor": _near(held_out, training, held_out, rng),
        "rows": [int(row) for row in np.flatnonzero(found)],
    }


def nearest(images: Features, among: Features) -> Floats:
    """Return (2, N) distances to the nearest of others, mirrored or not.

    Of `us64` Euclidean, of thumbnails 1 - correlation.
    """
    alike = correlate(images.thumbs, among.thumbs)
    near = distances(images.points, among.points).min(axis=1)
    return np.stack([near, 1 - alike.max(axis=1).astype(np.float64)])


def correlate(thumbs: Floats32, among: Floats32) -> Floats32:
    """Return (N, M) correlations of thumbnails with others, mirrored or not, the larger."""
    return np.asarray(np.maximum(thumbs @ among.T, thumbs @ mirror(among).T), np.float32)


def _below(distances: Floats, known: Floats) -> Bools:
    """Return (N,) whether (2, N) distances are below the rare quantile of known ones, in either."""
    limits = np.quantile(known, RARE, axis=1, method="lower")
    return np.asarray((distances < limits[:, None]).any(axis=0))


def _near(images: Features, training: Features, held_out: Features, rng: Rng) -> float:
    """Return the share nearer to a training than to a held-out image of another group."""
    size = min(len(training), len(held_out))
    to_training = distances(images.points, training.points)
    to_held_out = distances(images.points, held_out.points)
    own = images.groups[:, None] == held_out.groups[None, :]
    to_held_out[own] = np.inf
    shares = []
    for _ in range(DRAWS):
        some, others = (rng.permutation(len(looks))[:size] for looks in (training, held_out))
        seen, unseen = to_training[:, some].min(axis=1), to_held_out[:, others].min(axis=1)
        shares.append(float((seen < unseen).mean()))
    return float(np.mean(shares))
