"""How like a data set's held-out images a generator's are: what an adaptation is judged by.

In: images made for real crops. Out: scores for JSON, those of real ones beside them.
"""

from dataclasses import asdict, fields
from typing import Any

import numpy as np

from busgen import seeds
from busgen.arrays import Bools, Pixels
from busgen.errors import UserError
from busgen.judges.judges import load_judges
from busgen.metrics.distribution import kid
from busgen.metrics.spaces.us64.features import load_model
from busgen.real.crops import Crops
from busgen.stats.bootstrap import Sample, Score
from busgen.stats.overlap import dice


def score(images: Pixels, real: Crops) -> dict[str, Any]:
    """Return the kernel distance in `us64` and how well the shipped segmenter finds the masks.

    `images` (N, S, S) uint8, one for each crop; `real` N crops of held-out patients.
    What so few patients cannot tell is None, with a `note` that says why: they are never a reason
    to lose what was trained. Raises `UserError` if there is not one image a crop.
    """
    if images.shape != real.images.shape:
        rule = "there must be one image for each crop"
        raise UserError(rule, f"{images.shape} for {real.images.shape}", "draw one for each")
    return {"kid_us64": _distance(images, real), "dice": _dice(images, real)}


def _distance(images: Pixels, real: Crops) -> dict[str, Any]:
    space = load_model()
    generated, other = (
        Sample(space.embed(x), real.groups) for x in (images, np.asarray(real.images))
    )
    try:
        record = asdict(kid(generated, other, seeds.rng(0, "likeness")))
    except UserError as error:
        nothing = dict.fromkeys(field.name for field in fields(Score))
        return nothing | {"n": len(images), "note": str(error)}
    unsaid = [name for name, value in record.items() if not np.isfinite(value).all()]
    if not unsaid:
        return record
    note = f"too few held-out patients for {', '.join(unsaid)}"
    return record | dict.fromkeys(unsaid) | {"note": note}


def _dice(images: Pixels, real: Crops) -> dict[str, Any]:
    lesion: Bools = np.asarray(real.masks.any(axis=(1, 2)))
    if not lesion.any():
        return {"value": None, "real": None, "n": 0, "note": "no held-out crop shows a lesion"}
    judges, masks = load_judges(), real.masks[lesion] > 0
    found = {
        name: float(dice(judges.segment(each[lesion]) > 0.5, masks).mean())
        for name, each in (("value", images), ("real", np.asarray(real.images)))
    }
    return found | {"n": int(lesion.sum())}
