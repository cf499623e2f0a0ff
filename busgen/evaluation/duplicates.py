"""Near-duplicates within a release: pictures that look like one of another family.

In: a release folder. Out: the share of its pictures that do, and the pairs. Mirrored and cropped
copies are found, which the gate `duplicate_distance` (a hash) lets pass.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from busgen.cores import on_all_cores
from busgen.errors import DataError
from busgen.evaluation.release_statistics import chosen_groups
from busgen.io import decode_png
from busgen.similarity.known_images import Rows
from busgen.similarity.search import Link, descriptions, near_duplicates
from busgen.stats.proportions import wilson

COLUMNS = ["sample_id", "family_id", "image"]
NAMED = 50  # pairs in the record, the most alike ones
DIGITS = 3  # of a correlation: the last ones depend on the processor


def duplicates(release: Path) -> dict[str, Any]:
    """Return how many pictures of a release have a near-duplicate in another family.

    All of its pictures are compared: among some of a large release few pairs would be whole.
    Pictures of one family are alike on purpose and do not count.

    Parameters
    ----------
    release
        Release folder; its ``data/*.parquet`` is read row group by row group, some kilobytes a
        picture stay in memory.

    Returns
    -------
    dict
        ``value`` the share, ``n`` all pictures, ``interval`` (Wilson, 95 %); ``pairs``, the most
        alike first, each with ``first`` and ``second`` (samples) and ``similarity`` (correlation);
        ``more`` how many pairs are not named.

    Raises
    ------
    DataError
        If the release has no readable samples.
    """
    names, families, parts = _described(release)
    _, family = np.unique(families, return_inverse=True)
    links = near_duplicates(parts, families=family)
    count = len({place for link in links for place in (link.first, link.second)})
    pairs = sorted((_named(link, names) for link in links), key=_most_alike)
    return {
        "value": count / len(names),
        "n": len(names),
        "interval": wilson(count, len(names)),
        "pairs": pairs[:NAMED],
        "more": len(pairs[NAMED:]),
    }


def _described(release: Path) -> tuple[list[str], list[str], Rows]:
    """Return sample, family and description of each picture of a release."""
    names: list[str] = []
    families: list[str] = []
    parts: list[Rows] = []
    with on_all_cores() as pool:
        for file, group in chosen_groups(release, sys.maxsize):
            try:
                table = file.read_row_group(group, columns=COLUMNS)
                names += table["sample_id"].to_pylist()
                families += table["family_id"].to_pylist()
            except (OSError, KeyError, pa.ArrowInvalid) as error:
                rule = "a release's pictures must be readable"
                raise DataError(rule, error, "run busgen verify") from error
            parts += pool.map(_of_cell, table["image"].to_pylist())
    return names, families, np.concatenate(parts)


def _of_cell(image: dict[str, Any]) -> Rows:
    return descriptions([decode_png(image["bytes"], image["path"] or "image")])


def _named(link: Link, names: Sequence[str]) -> dict[str, Any]:
    first, second = sorted((names[link.first], names[link.second]))
    return {"first": first, "second": second, "similarity": round(link.similarity, DIGITS)}


def _most_alike(pair: dict[str, Any]) -> tuple[float, str, str]:
    return -pair["similarity"], pair["first"], pair["second"]
