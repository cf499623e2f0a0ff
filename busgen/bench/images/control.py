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
    told = [agree(one, mask) for one, mask in zip(found, masks, strict=True)]
    return Answers(
        dice(found, masks > 0), np.array(told, np.float64), judges.classify(images, masks)
    )


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

    Parameters
    ----------
    real
        Held-out crops of lesions, their class known.
    made
        Engine -> images (N, S, S) uint8, in the order of the crops.
    subject
        Engine whose gaps to the real crops are told: real minus rendered, paired by crop.
    """
    seen = {name: judge(judges, images, real.masks) for name, images in made.items()}
    truth = judge(judges, np.asarray(real.images), real.masks)
    told: dict[str, Figure | None] = {}
    for name, one in {"real": truth, **seen}.items():
        told |= {
            f"control_dice_{name}": mean(one.dice, real.groups, "Dice", "dice"),
            f"control_auc_{name}": interval(
                auc_score(real.is_malignant, one.malignant), real.groups, "AUC", "auc"
            ),
            f"control_orientation_{name}": mean(
                one.orientation, real.groups, "share", "orientation"
            ),
        }
    return drop_missing(told | _gaps(truth, seen[subject], real))


def _gaps(truth: Answers, made: Answers, real: Crops) -> dict[str, Figure | None]:
    groups = real.groups
    score = auc_loss(real.is_malignant, truth.malignant, made.malignant)
    return {
        "control_dice_gap": mean(truth.dice - made.dice, groups, "Dice", "dice gap"),
        "control_auc_gap": interval(score, groups, "AUC", "auc gap"),
        "control_orientation_gap": mean(
            truth.orientation - made.orientation, groups, "share", "orientation gap"
        ),
    }


def measure(
    judges: Judges, made: dict[str, NDArray[np.uint8]], masks: NDArray[np.uint8]
) -> dict[str, Figure]:
    """Return the Dice on images (N, S, S) by engine whose masks were drawn from the prior."""
    lesion: NDArray[np.bool_] = np.asarray(masks.any(axis=(1, 2)))
    groups = np.arange(int(lesion.sum())).astype(np.str_)
    return drop_missing(
        {
            f"control_dice_prior_{name}": mean(
                judge(judges, images[lesion], masks[lesion]).dice, groups, "Dice", "prior"
            )
            for name, images in made.items()
        }
    )
