"""Speckle: grey levels, texture and power spectrum of synthetic images within those of real ones.

In: synthetic and real images. Out: for every scanner and statistic, whether the synthetic median
lies within the real interquartile range.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from busgen.arrays import Floats, Names, Pixels
from busgen.imaging.statistics import GROUPS, measure_image, radial_power
from busgen.real.crops import Crops

GREY = tuple(name for name in GROUPS["grey"] if name != "contrast")  # the lesion's, no speckle
TEXTURE = ("speckle_axial_px", "speckle_lateral_px", "spectrum_slope")
EDGES = (0.01, 0.02, 0.04, 0.08, 0.12, 0.18, 0.26, 0.36, 0.5)  # of bands, cycles per pixel
SPECTRUM = tuple(f"spectrum_{high:.2f}" for high in EDGES[1:])
STATISTICS: Mapping[str, tuple[str, ...]] = {"grey": GREY, "texture": TEXTURE, "spectrum": SPECTRUM}
FEW = 15  # real images of a scanner, below which a quartile says little
EVERY = "all"  # for a scanner where synthetic images are of none of the real ones

Table = Mapping[str, Floats]


class Statistic(NamedTuple):
    """One statistic of one scanner: the synthetic median and the real quartiles.

    Units are those of `busgen.imaging.statistics`; `spectrum_*` is the level of a band of the
    radial power spectrum, named by its upper edge in cycles per pixel, in dB of all power.
    """

    scanner: str
    group: str
    statistic: str
    median: float
    low: float
    high: float
    n: int
    n_real: int

    @property
    def within(self) -> bool:
        """Whether the median is within the quartiles."""
        return self.low <= self.median <= self.high


def measure(crops: Crops) -> Table:
    """Return name -> (N,) of the `STATISTICS` of images, NaN where one does not apply."""
    images = [np.asarray(image) for image in crops.images]
    nothing = np.zeros(crops.images.shape[1:], np.uint8)
    rows = [measure_image(image, nothing, None) | band_levels(image) for image in images]
    names = [name for group in STATISTICS.values() for name in group]
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}


def compare(
    synthetic: Table, scanners: Names, real: Table, real_scanners: Names
) -> list[Statistic]:
    """Return what holds, by scanner; synthetic images of no real scanner go with all.

    `synthetic`, `real` as `measure` returns them; `scanners`, `real_scanners` (N,) and (M,)
    scanners of the images.
    """
    found = []
    for name in shared_scanners(scanners, real_scanners):
        own, other = (
            np.ones(len(s), np.bool_) if name == EVERY else np.asarray(s == name)
            for s in (scanners, real_scanners)
        )
        for group, statistics in STATISTICS.items():
            for statistic in statistics:
                every = (synthetic[statistic][own], real[statistic][other])
                ours, theirs = (values[~np.isnan(values)] for values in every)
                if len(ours) and len(theirs):
                    low, high = np.quantile(theirs, [0.25, 0.75]).tolist()
                    ends = float(np.median(ours)), low, high, len(ours), len(theirs)
                    found.append(Statistic(name, group, statistic, *ends))
    return found


def shared_scanners(scanners: Names, real_scanners: Names) -> list[str]:
    """Return the scanners that both are of and `FEW` real images or more, else `EVERY`."""
    names, counts = np.unique(real_scanners, return_counts=True)
    both = [str(n) for n, k in zip(names, counts, strict=True) if k >= FEW and n in scanners]
    return both or [EVERY]


def band_levels(image: Pixels) -> dict[str, float]:
    """Return `spectrum_*` of an image (S, S): dB of all power, absent where a band has none."""
    frequency, mean = radial_power(image.astype(np.float32))
    power = mean * frequency  # of a ring
    band = np.digitize(frequency, EDGES) - 1
    sums = np.array([power[band == k].sum() for k in range(len(SPECTRUM))])
    with np.errstate(divide="ignore", invalid="ignore"):
        levels = 10 * np.log10(sums / sums.sum())
    known = zip(SPECTRUM, levels, strict=True)
    return {name: float(level) for name, level in known if np.isfinite(level)}
