"""What an arm's model draws its batches from.

In: an arm, crops of real training patients, made ones. Out: `Pool`: crops and each one's chance.

Copy-paste, a lesion of one training patient put into the image of another, is the simple baseline
that a generator must beat (after Ghiasi 2021, arXiv 2012.07177, which pastes whole objects
unblended).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import cv2
import numpy as np

from busgen.arrays import Floats, Indices, Names, Pixels
from busgen.downstream.arms import Arm
from busgen.errors import DataError
from busgen.imaging.decode import bounding_box
from busgen.real.crops import Crops, join, probabilities
from busgen.seeds import rng

Weighted = tuple[Crops, float]  # crops, and how often they are drawn; 1 is the real ones'
SEED = 20261126  # of shares of patients, the same in all arms and seeds, nested, and of top-ups
FIRST = 0.5  # of the steps, in which an arm learns from made images that come first
RARE = 0.5  # of the mean number in a stratum: fewer are rare
FEATHER = 1 / 64  # of the side: how wide the seam fades, as a Gaussian's sigma
RIM = 1 / 32  # of the side: what is pasted around the lesion, and where grey levels are matched
GAIN = (0.5, 2.0)  # limits of the gain that matches them
SIZES = ("small", "middle", "large")  # terciles of the training lesions' share of the image


@dataclass(frozen=True)
class Pool:
    """Crops, how probably each is drawn on the whole (N,), whether they are changed.

    The last `synthetic` of them are made; `order` tells when those are drawn (`arms.ORDERS`).
    """

    crops: Crops
    probabilities: Floats
    augmented: bool
    synthetic: int
    order: str = "mixed"

    def probabilities_at(self, progress: float) -> Floats:
        """Return how probably each is drawn (N,) when a share `progress` of the steps is done."""
        made = np.arange(len(self.crops)) >= len(self.crops) - self.synthetic
        usual = float(self.probabilities[made].sum())
        if self.order == "mixed" or not 0 < usual < 1 - 1e-9:
            return self.probabilities
        fading = min(2 * usual, 1.0) * (1 - progress)
        share = fading if self.order == "fading" else float(progress < FIRST)
        return self.probabilities * np.where(made, share / usual, (1 - share) / (1 - usual))


def make_pool(arm: Arm, real: Crops | None, made: Sequence[Crops], task: str, seed: int) -> Pool:
    """Return the pool of an arm.

    At a ratio r, r made images for each real one are taken, or all if there are fewer; either
    way r of 1 + r images drawn are made ones. Scanners and classes are drawn as
    `busgen.real.crops.probabilities` says, in real and made images apart; for classification a
    scanner's classes are equally likely. Of several made sets each gives an equal part. What tops
    up rare strata is drawn as often as a real image; classes stay equally likely.

    `real` are crops of training patients (of all data sets where the arm is pooled), None where the
    arm has none, `made` sets of synthetic ones; the `task` classification sees labelled
    lesions alone; `seed` draws what is pasted, and how a control is shuffled. Raises `DataError` if
    nothing of one kind is left to learn from.
    """
    classify = task == "classification"
    parts: list[Weighted] = []
    if real is not None:
        own = _is_usable(subsample(real, arm.share), classify)
        parts.append((shuffle(own, classify, seed) if arm.shuffled else own, 1.0))
        if arm.pasted:
            count = round(arm.pasted * len(own))
            parts.append((paste(own, count, rng(seed, "paste")), arm.pasted))
    usable = [_is_usable(one, classify) for one in made]
    synthetic = [_synthetic(arm, one, parts, len(made)) for one in usable]
    parts += [one for one in synthetic if len(one[0])]
    total = sum(weight for _, weight in parts)
    drawn = np.concatenate([
        probabilities(part, labelled=classify) * weight / total for part, weight in parts
    ])  # fmt: skip
    crops = join([part for part, _ in parts])
    if classify and arm.top_up:  # either class half of the time
        malignant = crops.is_malignant
        drawn /= 2 * np.where(malignant, drawn[malignant].sum(), drawn[~malignant].sum())
    made_count = sum(len(part) for part, _ in synthetic)
    return Pool(crops, drawn, arm.augmented, made_count, arm.order)


def _synthetic(arm: Arm, few: Crops, real: Sequence[Weighted], sets: int) -> Weighted:
    """Return what an arm takes of a made set of `sets`, and its weight; 1 is the real ones'."""
    if arm.others and real:
        few = few.pick(~np.isin(few.scanners, real[0][0].scanners))
    if arm.top_up:
        chosen = balance(real[0][0], few, arm.top_up)
        return few.pick(chosen), len(chosen) / len(real[0][0])
    order = rng(SEED, "made").permutation(len(few))
    most = round(arm.synthetic * len(real[0][0]) / sets) if real else len(few)
    return few.pick(np.sort(order[: max(most, 1)])), arm.synthetic / sets


def subsample(crops: Crops, share: float) -> Crops:
    """Return the images of a share of the patients, of each class alike, one at least.

    Smaller shares lie within larger ones: patients stand in one random order.
    """
    if share >= 1:
        return crops
    kept: list[str] = []
    for label in np.unique(crops.labels):
        patients = np.unique(crops.groups[crops.labels == label])
        order = rng(SEED, f"patients {label}").permutation(len(patients))
        kept += patients[order[: max(round(share * len(patients)), 1)]].tolist()
    return crops.pick(np.asarray(np.isin(crops.groups, kept)))


def shuffle(crops: Crops, classify: bool, seed: int) -> Crops:
    """Return a control that must fail: the labels of others, or their masks at random places."""
    draws = rng(seed, "shuffle")
    lesions = np.flatnonzero(crops.is_labelled if classify else crops.masks.any(axis=(1, 2)))
    other = draws.permutation(lesions)
    if classify:
        labels = crops.labels.copy()
        labels[lesions] = crops.labels[other]
        return replace(crops, labels=labels)
    masks = np.zeros_like(crops.masks)
    for to, of in zip(lesions, other, strict=True):
        shift = draws.integers(len(crops.masks[of]), size=2)
        masks[to] = np.roll(crops.masks[of], tuple(shift.tolist()), (0, 1))
    return replace(crops, masks=masks)


def _is_usable(crops: Crops, classify: bool) -> Crops:
    known = crops.is_labelled
    if not classify:
        known = crops.masks.any(axis=(1, 2)) | (crops.labels == "normal")
    own = crops.pick(np.asarray(known, np.bool_))
    if not own.masks.any():
        rule = "an arm must have lesions to learn from"
        raise DataError(rule, "none", "give more patients or another task")
    return own


def strata(crops: Crops, real: Crops) -> Names:
    """Return each crop's stratum, empty where it has no lesion of known class.

    Borders of size are the terciles of the `real` lesions' shares of the image.
    """
    shares = real.pick(real.is_labelled).masks.mean(axis=(1, 2))
    sizes = np.searchsorted(np.quantile(shares, [1 / 3, 2 / 3]), crops.masks.mean(axis=(1, 2)))
    names = []
    for k, known in enumerate(crops.is_labelled):
        box = bounding_box(np.asarray(crops.masks[k])) if known else None
        tall = "" if box is None else "tall" if box.height > box.width else "wide"
        names.append(f"{crops.labels[k]} {tall} {SIZES[sizes[k]]}" if tall else "")
    return np.array(names, np.str_)


def balance(real: Crops, generated: Crops, kind: str = "rare") -> Indices:
    """Return which made crops bring what is rare in real ones up, as far as they go.

    Of the kind "rare" every rare stratum up to the mean one: strata are counted in images of
    training patients; one that no image is of is rare too. Of the kind "class" the rarer class up
    to the other.
    """
    if kind == "class":
        return _balance_classes(real, generated)
    own, other = strata(real, real), strata(generated, real)
    kinds = product(("benign", "malignant"), ("tall", "wide"), SIZES)
    names = sorted(" ".join(kind) for kind in kinds)
    counts = {name: int((own == name).sum()) for name in names}
    mean = sum(counts.values()) / len(names)
    taken: list[int] = []
    for name, count in counts.items():
        if count < RARE * mean:
            order = rng(SEED, f"top up {name}").permutation(np.flatnonzero(other == name))
            taken += order[: round(mean) - count].tolist()
    return np.array(sorted(taken), np.intp)


def _balance_classes(real: Crops, generated: Crops) -> Indices:
    counts = {name: int((real.labels == name).sum()) for name in ("benign", "malignant")}
    rarer = min(counts, key=lambda name: counts[name])
    order = rng(SEED, f"top up {rarer}").permutation(np.flatnonzero(generated.labels == rarer))
    return np.sort(order[: max(counts.values()) - counts[rarer]])


def paste(crops: Crops, count: int, rng: np.random.Generator) -> Crops:
    """Return `count` crops with a lesion pasted where it was, into another patient's image.

    Both are of one scanner, and of one class or the host is normal, so that nothing of another
    class is seen around the lesion. The host's own lesion, where it stays visible, is hidden from
    the loss by the ignore-mask. Where no other patient fits, the crop is its own host.
    """
    lesions = np.flatnonzero(crops.masks.any(axis=(1, 2)))
    givers = rng.choice(lesions, count)
    hosts = np.array([rng.choice(_hosts(crops, giver)) for giver in givers], np.intp)
    blended = [_blend(crops, *pair) for pair in zip(givers, hosts, strict=True)]
    images, ignore = (np.stack(stack) for stack in zip(*blended, strict=True))
    return replace(crops.pick(givers), images=images, ignore=ignore)


def _hosts(crops: Crops, giver: int) -> Indices:
    """Return the images that a lesion may be pasted into."""
    fits = (crops.scanners == crops.scanners[giver]) & (crops.groups != crops.groups[giver])
    fits &= (crops.labels == crops.labels[giver]) | (crops.labels == "normal")
    found = np.flatnonzero(fits)
    return found if len(found) else np.array([giver], np.intp)


def _blend(crops: Crops, giver: int, host: int) -> tuple[Pixels, Pixels]:
    """Return the host's image with the lesion in it, and what the loss must not look at."""
    mask = crops.masks[giver]
    side = len(mask)
    width = 2 * max(round(RIM * side), 1) + 1
    wide = cv2.dilate(mask, np.ones((width, width), np.uint8))
    alpha = cv2.GaussianBlur(wide.astype(np.float32), (0, 0), max(FEATHER * side, 0.5))
    lesion, scene = (crops.images[k].astype(np.float32) for k in (giver, host))
    rim = (wide > 0) & (mask == 0)
    gain = 1.0
    if rim.any():
        gain = float(np.clip(scene[rim].mean() / max(lesion[rim].mean(), 1.0), *GAIN))
    image = alpha * np.minimum(lesion * gain, 255) + (1 - alpha) * scene
    hidden = (crops.ignore[host] | crops.masks[host]) & (wide == 0) | crops.ignore[giver] & wide
    return np.asarray(np.rint(image), np.uint8), np.asarray(hidden * (mask == 0), np.uint8)
