"""How large a lesion is, how flat, and where: truncated normal densities, one inside the next.

The logarithm of box area / image area depends on pathology; the logarithm of width / height on
pathology, shape and orientation, cut to boxes that fit the image; the centre on the box, cut to
places where the box keeps its distance from skin and frame. Every density is normalised.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from busgen import schema
from busgen.arrays import Floats
from busgen.errors import DataError

Terms = tuple[tuple[str, ...], ...]
LESIONS = ("benign", "malignant")
KEYS = ("log_area_fraction", "log_aspect", "center_x", "center_y", "frame")


@dataclass(frozen=True, eq=False)
class Sizes:
    """Parameters; the last axis of `area`, `aspect` is (mean, sd, low, high).

    `area` (pathology), `aspect` (pathology, shape, orientation), `center` (pathology, x | y,
    (mean, per_height, sd)), `frame` (skin_mm, top, side, bottom): least distances of the box to the
    image's edges, fractions, at the top no less than `skin_mm`.
    """

    area: Floats
    aspect: Floats
    center: Floats
    frame: tuple[float, float, float, float]

    def top(self, field_mm: Floats) -> Floats:
        """Return the least depth (fraction) of a box's upper edge in images of side `field_mm`."""
        return np.maximum(self.frame[1], self.frame[0] / field_mm)


def make_sizes(record: Mapping[str, Any]) -> Sizes:
    """Validate the JSON's ``sizes`` and return them as arrays."""
    check(record, "sizes", KEYS)
    normal, place = ("mean", "sd", "low", "high"), ("mean", "per_height", "sd")
    area = _table(record, "log_area_fraction", (LESIONS,), normal)
    aspect = _table(record, "log_aspect", (LESIONS, schema.SHAPES, schema.ORIENTATIONS), normal)
    center = [_table(record, name, (LESIONS,), place) for name in ("center_x", "center_y")]
    frame = _table(record, "frame", (), ("skin_mm", "top", "side", "bottom"))
    for name, table in (("log_area_fraction", area), ("log_aspect", aspect)):
        if (table[..., 2] >= table[..., 3]).any():
            raise DataError(f"{name} must have low < high", table.tolist(), "mend the range")
    if (aspect[:, :, 0, 2] < 0).any() or (aspect[:, :, 1, 3] > 0).any():
        rule = "log_aspect must be >= 0 where parallel and <= 0 where not_parallel"
        raise DataError(rule, aspect[..., 2:].tolist(), "not_parallel means height_mm > width_mm")
    skin, top, side, bottom = (float(x) for x in frame)
    if not (0 <= skin <= 5 and min(frame) >= 0 and max(2 * side, top + bottom) <= 0.5):
        raise DataError("frame must leave half of the image", frame.tolist(), "lower its shares")
    return Sizes(area, aspect, np.stack(center, 1), (skin, top, side, bottom))


def check(record: object, where: str, keys: Iterable[str]) -> Mapping[str, Any]:
    """Return `record` if it is a mapping with exactly `keys`, else raise `DataError`."""
    wanted = sorted(keys)
    if not isinstance(record, Mapping):
        raise DataError(f"{where} must be a JSON object", repr(record), f"give {wanted}")
    for key in sorted(set(record) ^ set(wanted)):
        state = "unknown" if key in record else "missing"
        raise DataError(f"{where} must have the known keys", f"{state} {key!r}", f"{wanted}")
    return record


def _table(record: Mapping[str, Any], name: str, parents: Terms, keys: tuple[str, ...]) -> Floats:
    """Return the numbers of nested term -> ... -> key mappings as an array, keys last."""

    def values(rows: object, axes: Terms, where: str) -> list[object]:
        parts = check(rows, where, axes[0])
        if len(axes) == 1:
            return [parts[term] for term in axes[0]]
        return [values(parts[term], axes[1:], f"{where}.{term}") for term in axes[0]]

    entry = check(record[name], name, ("source", "table"))
    try:
        table = np.array(values(entry["table"], (*parents, keys), name), np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must hold numbers", error, "mend the table") from error
    if not np.isfinite(table).all() or ("sd" in keys and (table[..., keys.index("sd")] <= 0).any()):
        raise DataError(f"{name} must be finite, sd > 0", table.tolist(), "mend the table")
    return table


def probability(low: Floats, high: Floats, mean: Floats, sd: Floats) -> Floats:
    """Return the probability that a normal variable lies in [low, high], 0 where low >= high."""
    a, b = (low - mean) / sd, (high - mean) / sd
    upper = a > 0  # in the upper tail use the mirror image, which keeps its digits
    share = ndtr(np.where(upper, -a, b)) - ndtr(np.where(upper, -b, a))
    return np.asarray(np.maximum(share, 0.0), np.float64)


def quantile(u: Floats, low: Floats, high: Floats, mean: Floats, sd: Floats) -> Floats:
    """Return the `u` quantile (u in [0, 1)) of a normal variable cut to [low, high]."""
    a, b = (low - mean) / sd, (high - mean) / sd
    flip = a > 0
    a, b, u = np.where(flip, -b, a), np.where(flip, -a, b), np.where(flip, 1 - u, u)
    z = ndtri(ndtr(a) + u * (ndtr(b) - ndtr(a)))
    return np.asarray(np.clip(mean + sd * np.where(flip, -z, z), low, high), np.float64)


def density(x: Floats, mean: Floats, sd: Floats) -> Floats:
    """Return the normal density at `x`."""
    return np.asarray(np.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * np.sqrt(2 * np.pi)))


def log_density(x: Floats, bounds: tuple[Floats, Floats], mean: Floats, sd: Floats) -> Floats:
    """Return the log density at `x` of a normal variable cut to `bounds`, -inf outside."""
    low, high = bounds
    log_normal = -0.5 * ((x - mean) / sd) ** 2 - np.log(sd * np.sqrt(2 * np.pi))
    with np.errstate(divide="ignore"):
        log_mass = np.log(probability(low, high, mean, sd))
    return np.where((x >= low) & (x <= high), log_normal - log_mass, -np.inf)
