"""What a trained model says of test patients, one row an image.

In: a model, its network, cases. Out: rows of `SCHEMA`, from which anyone can compute the scores.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.special import expit
from torch import nn

from busgen.downstream.data.real_images import Cases
from busgen.downstream.learner import classify, segment
from busgen.downstream.models.registry import Model
from busgen.errors import DataError
from busgen.judges.judges import SegmenterSpec
from busgen.real.crops import Crops
from busgen.stats import calibration
from busgen.stats.calibration import Platt
from busgen.stats.overlap import dice, hd95, iou, largest_part

Row = dict[str, Any]
TEXT, REAL = pa.string(), pa.float64()
SCHEMA = pa.schema(
    [
        *((name, TEXT) for name in ("task", "train", "arm")),
        ("seed", pa.int64()),
        ("fold", pa.int64()),  # of the test patients, where the data set is cross-validated
        *((name, TEXT) for name in ("test", "sample_id", "patient", "scanner", "pathology")),
        *((name, REAL) for name in ("probability", "dice", "iou", "hd95_px", "pixel_mm")),
        ("lesion_share", REAL),  # of the image's area
    ]
)


def fit_platt(model: Model, net: nn.Module, validation: Crops) -> Platt | None:
    """Return Platt's scaling by validation patients; None for segmenters and for too few."""
    if isinstance(model.spec, SegmenterSpec):
        return None
    own = validation.pick(validation.is_labelled)
    try:
        return calibration.fit_platt(classify(model.spec, net, own), own.is_malignant)
    except DataError:  # fewer than ten of a class: as the network gives them
        return None


def predict(model: Model, net: nn.Module, scale: Platt | None, cases: Cases) -> Iterator[Row]:
    """Yield a row for each image that the task is tested on; what it has not is missing.

    `scale` makes the network's logits probabilities, None where that is unknown.
    """
    crops, classifies = cases.crops, model.task == "classification"
    tested = crops.is_labelled if classifies else crops.masks.any(axis=(1, 2))
    own = cases.pick(np.asarray(tested, np.bool_))
    found: list[dict[str, float]] = []
    if isinstance(model.spec, SegmenterSpec):
        drawn = segment(model.spec, net, np.asarray(own.crops.images))
        for one, mask in zip(map(largest_part, drawn), own.crops.masks, strict=True):
            true = np.asarray(mask) > 0
            agreed = {"dice": float(dice(one, true)), "iou": float(iou(one, true))}
            found.append(agreed | {"hd95_px": hd95(one, true)})
    else:
        logits = classify(model.spec, net, own.crops)
        found += [{"probability": float(p)} for p in (scale(logits) if scale else expit(logits))]
    for k, values in enumerate(found):
        yield {
            "sample_id": own.ids[k],
            "patient": own.crops.groups[k],
            "scanner": own.crops.scanners[k],
            "pathology": own.crops.labels[k] or None,
            "pixel_mm": float(own.pixel_mm[k]) if np.isfinite(own.pixel_mm[k]) else None,
            "lesion_share": float(own.crops.masks[k].mean()),
        } | values
