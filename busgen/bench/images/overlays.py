"""Overlays: in how many rendered images the finder finds text or calipers that nobody drew.

In: images (N, S, S). Out: shares, that of clean real images beside them: of patients that
nothing learned from, cropped and resampled as the rendered ones are, nothing painted out. Clean are
those that were listed by eye as showing none, and BrEaST's, of which 46 of 48 listed ones show none
(those that do are left out): what the finder tells of them is false but for one or two.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from busgen.bench.harness import Figure, share
from busgen.bench.real.overlays import CLEAN, LISTED, read_listed
from busgen.imaging.overlays.find import find_overlays
from busgen.imaging.square import find_field, square_crop
from busgen.io import decode_png
from busgen.real.cohort import has_usable_pixels, read_rows
from busgen.real.crops import SIDE

HELD_OUT = ("validation", "test")


def figures(
    clean: NDArray[np.uint8], made: Mapping[str, NDArray[np.uint8]], subject: str
) -> dict[str, Figure]:
    """Return the shares of images, and of pixels (mean, range), on real ones and by engine.

    Also what the subject has more than clean real ones.
    """
    told: dict[str, Figure] = {}
    for name, images in {"real": clean, **made}.items():
        covered = [float(find_overlays(image).mean()) for image in images]
        n, ends = len(covered), (min(covered), max(covered))
        told[f"overlays_{name}"] = share(sum(part > 0 for part in covered), n)
        told[f"overlays_area_{name}"] = Figure(sum(covered) / n, "share of pixels", n, ends)
    own = told[f"overlays_{subject}"]
    excess = own.value - told["overlays_real"].value
    return told | {"overlays_excess": Figure(excess, "share", own.n)}


def read_images(tables: Sequence[Path], cohort: Path) -> NDArray[np.uint8]:
    """Return the square crops (N, S, S) of held-out clean images, as published."""
    kinds = read_listed(LISTED)

    def load(row: Mapping[str, Any]) -> bool:
        kind = kinds.get((row["dataset"], row["source_file"]))
        unlisted = kind is None and row["dataset"] == CLEAN
        return has_usable_pixels(row) and (kind == "none" or unlisted)

    columns = ["image", "mask", "source_file"]
    rows = read_rows(tables, cohort, splits=HELD_OUT, columns=columns, usable=load)
    crops = []
    for row in rows:
        image, mask = decode_png(row["image"]["bytes"], row["source_file"]), row["mask"]
        lesion = decode_png(mask["bytes"], "mask") if mask else np.zeros_like(image)
        crops.append(square_crop(image, lesion, SIDE, field=find_field(image)).image)
    return np.stack(crops)
