"""How like a data set's held-out pictures a generator's are: what an adaptation is judged by.

In: pictures made in the stead of real crops. Out: scores for JSON, those of real ones beside them.
"""

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from busgen import seeds
from busgen.errors import UserError
from busgen.quality.distribution import kid
from busgen.quality.draws import Sample
from busgen.quality.judges.calibration import dice
from busgen.quality.judges.judges import load_judges
from busgen.quality.us64.features import load_space
from busgen.real.crops import Crops


def likeness(images: NDArray[np.uint8], real: Crops) -> dict[str, Any]:
    """Return the kernel distance in `us64` and how well the shipped segmenter finds the masks.

    Parameters
    ----------
    images
        (N, S, S) uint8, one in the stead of each crop.
    real
        N crops of held-out patients.

    Raises
    ------
    UserError
        If there is not one picture a crop, or no crop shows a lesion.
    """
    if images.shape != real.images.shape:
        rule = "there must be one picture in the stead of each crop"
        raise UserError(rule, f"{images.shape} for {real.images.shape}", "draw one for each")
    lesion: NDArray[np.bool_] = np.asarray(real.masks.any(axis=(1, 2)))
    if not lesion.any():
        raise UserError("some crops must show a lesion", "none", "adapt to a data set with masks")
    space = load_space()
    made, other = (Sample(space.embed(x), real.groups) for x in (images, np.asarray(real.images)))
    judges, masks = load_judges(), real.masks[lesion] > 0
    found = {
        name: float(dice(judges.segment(each[lesion]) > 0.5, masks).mean())
        for name, each in (("value", images), ("real", np.asarray(real.images)))
    }
    return {
        "kid_us64": asdict(kid(made, other, seeds.rng(0, "likeness"))),
        "dice": found | {"n": int(lesion.sum())},
    }
