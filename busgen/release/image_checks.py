"""Images against what their row says.

In: tables of the release schema. Out: what is wrong, in words; nothing where all is well.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa

from busgen.errors import DataError
from busgen.io import decode_png, sha256_array

_COLUMNS = ("sample_id", "pathology", "image_sha256", "image", "mask")


def check(table: pa.Table) -> list[tuple[str, str, str]]:
    """Return ``(sample_id, rule, got)`` for every row whose image or mask breaks a rule."""
    with ThreadPoolExecutor() as pool:
        found = pool.map(_check_row, table.select(_COLUMNS).to_pylist())
        return [problem for problem in found if problem is not None]


def _check_row(row: dict[str, Any]) -> tuple[str, str, str] | None:
    """Return the first rule that one row breaks."""
    name = str(row["sample_id"])
    try:
        image, mask = (
            decode_png((row[part] or {}).get("bytes") or b"", part) for part in ("image", "mask")
        )
    except DataError as error:
        return name, error.rule, str(error.got)
    digest = sha256_array(image)
    if digest != row["image_sha256"]:
        return name, "image_sha256 must be that of the image's pixels", digest
    if image.shape != mask.shape:
        return name, f"mask must have the image's size {image.shape}", str(mask.shape)
    grey = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
    if not {*grey.tolist()} <= {0, 255}:
        return name, "mask must hold 0 and 255 only", str(grey[:5].tolist())
    if (255 in grey) != (row["pathology"] != "normal"):
        return name, "mask must be empty exactly where pathology is normal", str(row["pathology"])
    return None
