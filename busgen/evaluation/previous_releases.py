"""Images of earlier releases that a release holds again.

In: release folders. Out: counts of identical images, of equal hashes, and of near-duplicates, as
cleaning finds them among real images: mirrored, cropped, brighter too.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from busgen.errors import DataError
from busgen.evaluation.release_statistics import read_images
from busgen.params.gates import DEFAULT_GATES
from busgen.similarity import registration
from busgen.similarity.dhash import nearest
from busgen.similarity.thumbnails import make_thumbnail
from busgen.stats.proportions import wilson_interval

INDEX = "index.parquet"
HASHES = ["image_sha256", "image_dhash"]
Signed = tuple[str, str, bytes]  # sample, family, signature


def find_duplicates(release: Path, previous: Sequence[Path], most: int) -> dict[str, Any]:
    """Return how many images of a release are in earlier ones too.

    Raises `DataError` if a folder is no release.

    Parameters
    ----------
    release
        Release folder.
    previous
        Folders of earlier ones, at least one.
    most
        Images of each that are compared as images; as files all are.

    Returns
    -------
    dict
        ``earlier``: a record for each, ``path, n`` (its images) and how many of the release's
        images it holds: ``identical`` (the same pixels), ``same_hash`` (nearer than the gate
        `duplicate_distance` allows within a release) of all, ``near`` of the ``looked_at``.
        ``score``: ``value`` the share of those looked at that are near-duplicates of an image of
        any of them, ``n``, ``interval`` (Wilson, 95 %), ``samples`` (which).
    """
    own = _hashes(release)
    looked = list(read_images(release, most, make_thumbnail))
    near: set[str] = set()
    told = []
    for folder in previous:
        other = _hashes(folder)
        found = _near(looked, list(read_images(folder, most, make_thumbnail)))
        near |= found
        told.append(
            {
                "path": str(folder),
                "n": other.num_rows,
                "identical": pc.sum(
                    pc.is_in(own["image_sha256"], value_set=other["image_sha256"])
                ).as_py(),
                "same_hash": _same_hash(own, other),
                "near": len(found),
                "looked_at": min(len(looked), most),
            }
        )
    count = len(looked)
    score = {
        "value": len(near) / count,
        "n": count,
        "interval": wilson_interval(len(near), count),
        "samples": sorted(near),
    }
    return {"earlier": told, "score": score}


def _near(own: Sequence[Signed], other: Sequence[Signed]) -> set[str]:
    """Return the samples of the first set that show the same as one of the second."""
    links = registration.find_duplicates([one for _, _, one in (*own, *other)])
    return {own[link.first][0] for link in links if link.first < len(own) <= link.second}


def _same_hash(own: pa.Table, other: pa.Table) -> int:
    """Return how many hashes are nearer to one of the other release's than its gate allows."""
    least = DEFAULT_GATES["duplicate_distance"].min or 0.0
    first, second = (t["image_dhash"].to_numpy().astype(np.int64) for t in (own, other))
    return int((nearest(first, second)[0] < least).sum())


def _hashes(release: Path) -> pa.Table:
    """Return the hashes of a release's accepted images."""
    try:
        return pq.read_table(release / INDEX, columns=HASHES, filters=[("accepted", "=", True)])
    except (OSError, pa.ArrowInvalid) as error:
        rule = f"{release} must be a release folder"
        raise DataError(rule, error, "name folders of releases in quality.previous") from error
