"""Control by masks and labels, as judges see it that never gate (`images_judges`).

In: held-out real crops, images rendered in their stead inside their own masks, the judges. Out:
figures on real and on rendered images, and how far the latter fall short, paired by crop.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.bench.harness import Figure
from busgen.bench.images.scores import auc_loss, drop_missing, interval, mean
from busgen.gates.judged_scores import Judges
from busgen.imaging.decode import bounding_box
from busgen.real.crops import Crops
from busgen.stats.overlap import dice
from busgen.stats.patients import Floats
from busgen.stats.roc import auc_score


@dataclass(frozen=True)
class Answers:
    """What judges say of images of lesions: (N,) each.

    `dice` of the found mask and the one asked for; `orientation` 1 where both are taller than wide
    or neither is, 0 where not or nothing is found; `malignant` chance of that class.
    """

    dice: Floats
    orientation: Floats
    malignant: Floats


def judge(judges: Judges, images: NDArray[np.uint8], masks: NDArray[np.uint8]) -> Answers:
    """Return what `judges` say of images (N, S, S) whose lesions are to lie in `masks`."""
    found = judges.segment(images) > 0.5
    agreed = np.array([agree(*pair) for pair in zip(found, masks, strict=True)], np.float64)
    return Answers(dice(found, masks > 0), agreed, judges.classify(images, masks))


def agree(found: NDArray[np.bool_], mask: NDArray[np.uint8]) -> bool:
    """Return whether the largest found part is taller than wide exactly where the mask is."""
    count, _, parts, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8))
    box = bounding_box(mask)
    if count < 2 or box is None:
        return False
    width, height = parts[1 + parts[1:, cv2.CC_STAT_AREA].argmax(), [2, 3]]
    return bool((height > width) == (box.height > box.width))


def figures(
    judges: Judges, real: Crops, made: dict[str, NDArray[np.uint8]], subject: str
) -> dict[str, Figure]:
    """Return the judges' figures on real crops and on images rendered in their stead.

    `real` are held-out crops of lesions whose class is known, `made` each engine's images
    (N, S, S) uint8 in their order. Gaps are real minus the `subject`'s, paired by crop.
    """
    groups, malignant = real.groups, real.is_malignant
    seen = {name: judge(judges, images, real.masks) for name, images in made.items()}
    truth = judge(judges, np.asarray(real.images), real.masks)
    told: dict[str, Figure | None] = {}
    for name, one in {"real": truth, **seen}.items():
        score = auc_score(malignant, one.malignant)
        told |= {
            f"control_dice_{name}": mean(one.dice, groups, "Dice", "dice"),
            f"control_auc_{name}": interval(score, groups, "AUC", "auc"),
            f"control_orientation_{name}": mean(one.orientation, groups, "share", "orientation"),
        }
    own = seen[subject]
    loss, turned = auc_loss(malignant, truth.malignant, own.malignant), truth.orientation
    gaps = {
        "control_dice_gap": mean(truth.dice - own.dice, groups, "Dice", "dice gap"),
        "control_auc_gap": interval(loss, groups, "AUC", "auc gap"),
        "control_orientation_gap": mean(
            turned - own.orientation, groups, "share", "orientation gap"
        ),
    }
    return drop_missing(told | gaps)


def measure(
    judges: Judges, made: dict[str, NDArray[np.uint8]], masks: NDArray[np.uint8]
) -> dict[str, Figure]:
    """Return the Dice on images (N, S, S) by engine whose masks were drawn from the prior."""
    lesion: NDArray[np.bool_] = np.asarray(masks.any(axis=(1, 2)))
    groups = np.arange(int(lesion.sum())).astype(np.str_)
    found = {name: judge(judges, own[lesion], masks[lesion]).dice for name, own in made.items()}
    return drop_missing(
        {f"control_dice_prior_{n}": mean(own, groups, "Dice", "prior") for n, own in found.items()}
    )
