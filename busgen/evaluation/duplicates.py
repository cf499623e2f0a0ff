"""Near-duplicates within a release: images that look like one of another family.

In: a release folder. Out: the share of its images that do, and the pairs. Mirrored and cropped
copies are found, which the gate `duplicate_distance` (a hash) lets pass.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from busgen.evaluation.release_statistics import read_images
from busgen.similarity.search import describe, find_duplicates
from busgen.similarity.thumbnails import Link
from busgen.stats.patients import number_groups
from busgen.stats.proportions import wilson_interval

NAMED = 50  # pairs in the record, the most alike ones
DIGITS = 3  # of a correlation: the last ones depend on the processor


def count_duplicates(release: Path) -> dict[str, Any]:
    """Return how many images of a release have a near-duplicate in another family.

    All of its images are compared: among some of a large release few pairs would be whole.
    Images of one family are alike on purpose and do not count.

    Raises `DataError` if the release has no readable samples.

    Parameters
    ----------
    release
        Release folder; its ``data/*.parquet`` is read row group by row group, some kilobytes a
        image stay in memory.

    Returns
    -------
    dict
        ``value`` the share, ``n`` all images, ``interval`` (Wilson, 95 %); ``pairs``, the most
        alike first, each with ``first`` and ``second`` (samples) and ``similarity`` (correlation);
        ``more`` how many pairs are not named.
    """
    read = list(read_images(release, sys.maxsize, lambda image: describe([image])[0]))
    names, families, parts = zip(*read, strict=True)
    links = find_duplicates(np.array(parts, np.float32), families=number_groups(np.array(families)))
    count = len({place for link in links for place in (link.first, link.second)})
    pairs = sorted((_name(link, names) for link in links), key=_most_alike)
    return {
        "value": count / len(names),
        "n": len(names),
        "interval": wilson_interval(count, len(names)),
        "pairs": pairs[:NAMED],
        "more": len(pairs[NAMED:]),
    }


def _name(link: Link, names: Sequence[str]) -> dict[str, Any]:
    first, second = sorted((names[link.first], names[link.second]))
    return {"first": first, "second": second, "similarity": round(link.similarity, DIGITS)}


def _most_alike(pair: dict[str, Any]) -> tuple[float, str, str]:
    return -pair["similarity"], pair["first"], pair["second"]
