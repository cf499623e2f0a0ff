"""Control by masks and labels, as judges see it that never gate (`images_judges`).

In: held-out real crops, pictures rendered in their stead inside their own masks, the judges. Out:
figures on real and on rendered pictures, and how far the latter fall short, paired by crop.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.bench.harness import Figure
from busgen.bench.images.scores import auc_gap, mean_figure, over_patients, present
from busgen.gates.judged_scores import Judges
from busgen.imaging.decode import box_of
from busgen.real.crops import Crops
from busgen.stats.overlap import dice
from busgen.stats.patients import Floats
from busgen.stats.roc import auc_of


@dataclass(frozen=True)
class Judged:
    """What judges say of pictures of lesions: (N,) each.

    `dice` of the found mask and the one asked for; `upright` 1 where both are taller than wide or
    neither is, 0 where not or nothing is found; `malignant` chance of that class.
    """

    dice: Floats
    upright: Floats
    malignant: Floats


def judged(judges: Judges, images: NDArray[np.uint8], masks: NDArray[np.uint8]) -> Judged:
    """Return what `judges` say of pictures (N, S, S) whose lesions are to lie in `masks`."""
    found = judges.segment(images) > 0.5
    told = [agrees(one, mask) for one, mask in zip(found, masks, strict=True)]
    return Judged(
        dice(found, masks > 0), np.array(told, np.float64), judges.classify(images, masks)
    )


def agrees(found: NDArray[np.bool_], mask: NDArray[np.uint8]) -> bool:
    """Return whether the largest found part is taller than wide exactly where the mask is."""
    count, _, parts, _ = cv2.connectedComponentsWithStats(found.astype(np.uint8))
    box = box_of(mask)
    if count < 2 or box is None:
        return False
    width, height = parts[1 + parts[1:, cv2.CC_STAT_AREA].argmax(), [2, 3]]
    return bool((height > width) == (box.height > box.width))


def figures(
    judges: Judges, real: Crops, made: dict[str, NDArray[np.uint8]], subject: str
) -> dict[str, Figure]:
    """Return the judges' figures on real crops and on pictures rendered in their stead.

    Parameters
    ----------
    real
        Held-out crops of lesions, their class known.
    made
        Engine -> pictures (N, S, S) uint8, in the order of the crops.
    subject
        Engine whose gaps to the real crops are told: real minus rendered, paired by crop.
    """
    seen = {name: judged(judges, images, real.masks) for name, images in made.items()}
    truth = judged(judges, np.asarray(real.images), real.masks)
    told: dict[str, Figure | None] = {}
    for name, one in {"real": truth, **seen}.items():
        told |= {
            f"control_dice_{name}": mean_figure(one.dice, real.groups, "Dice", "dice"),
            f"control_auc_{name}": over_patients(
                auc_of(real.malignant, one.malignant), real.groups, "AUC", "auc"
            ),
            f"control_orientation_{name}": mean_figure(
                one.upright, real.groups, "share", "orientation"
            ),
        }
    return present(told | _gaps(truth, seen[subject], real))


def _gaps(truth: Judged, made: Judged, real: Crops) -> dict[str, Figure | None]:
    groups = real.groups
    score = auc_gap(real.malignant, truth.malignant, made.malignant)
    return {
        "control_dice_gap": mean_figure(truth.dice - made.dice, groups, "Dice", "dice gap"),
        "control_auc_gap": over_patients(score, groups, "AUC", "auc gap"),
        "control_orientation_gap": mean_figure(
            truth.upright - made.upright, groups, "share", "orientation gap"
        ),
    }


def prior_figures(
    judges: Judges, made: dict[str, NDArray[np.uint8]], masks: NDArray[np.uint8]
) -> dict[str, Figure]:
    """Return the Dice on pictures (N, S, S) by engine whose masks were drawn from the prior."""
    lesion: NDArray[np.bool_] = np.asarray(masks.any(axis=(1, 2)))
    groups = np.arange(int(lesion.sum())).astype(np.str_)
    return present(
        {
            f"control_dice_prior_{name}": mean_figure(
                judged(judges, images[lesion], masks[lesion]).dice, groups, "Dice", "prior"
            )
            for name, images in made.items()
        }
    )
