"""Near-duplicates: images that look like one of another family, or of an earlier release.

In: release folders. Out: the shares of their images that do, and which. Mirrored, cropped and
brighter copies are found, which the gate `duplicate_distance` (a hash) lets pass.
"""

import sys
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
from busgen.similarity import registration, search
from busgen.similarity.registration import make_thumbnail
from busgen.similarity.search import nearest
from busgen.stats.patients import number_groups
from busgen.stats.proportions import wilson_interval

NAMED = 50  # pairs in the record, the most alike ones
DIGITS = 3  # of a correlation: the last ones depend on the processor
HASHES = ["image_sha256", "image_dhash"]


def count_duplicates(release: Path) -> dict[str, Any]:
    """Return how many images of a release have a near-duplicate in another family.

    All of its images are compared: among some of a large release few pairs would be whole.
    Images of one family are alike on purpose and do not count. Some kilobytes an image stay in
    memory. Raises `DataError` if the release has no readable samples.

    It holds ``value`` the share, ``n`` all images, ``interval`` (Wilson, 95 %); ``pairs``, the most
    alike first, each with ``first`` and ``second`` (samples) and ``similarity`` (correlation);
    ``more`` how many pairs are not named.
    """
    read = list(read_images(release, sys.maxsize, lambda image: search.describe([image])[0]))
    names, families, parts = zip(*read, strict=True)
    numbers = number_groups(np.array(families))
    links = search.find_duplicates(np.array(parts, np.float32), families=numbers)
    pairs = sorted(
        (-round(link.similarity, DIGITS), *sorted((names[link.first], names[link.second])))
        for link in links
    )
    score = _share({place for link in links for place in (link.first, link.second)}, len(names))
    return score | {
        "pairs": [{"first": a, "second": b, "similarity": -r} for r, a, b in pairs[:NAMED]],
        "more": len(pairs[NAMED:]),
    }


def find_previous(release: Path, previous: Sequence[Path], most: int) -> dict[str, Any]:
    """Return how many images of a release are in earlier ones too, `most` of each as images.

    Raises `DataError` if a folder is no release.

    It holds ``earlier``: a record for each, ``path, n`` (its images) and how many of the release's
    images it holds: ``identical`` (the same pixels), ``same_hash`` (nearer than the gate
    `duplicate_distance` allows within a release) of all, ``near`` of the ``looked_at``. ``score``:
    ``value`` the share of those examined that are near-duplicates of an image of any of them,
    ``n``, ``interval`` (Wilson, 95 %), ``samples`` (which).
    """
    least = DEFAULT_GATES["duplicate_distance"].min or 0.0
    own = _read_hashes(release)
    images = list(read_images(release, most, make_thumbnail))
    near: set[str] = set()
    earlier = []
    for folder in previous:
        other = _read_hashes(folder)
        every = (*images, *read_images(folder, most, make_thumbnail))
        links = registration.find_duplicates([thumbnail for _, _, thumbnail in every])
        found = {every[k.first][0] for k in links if k.first < len(images) <= k.second}
        near |= found
        first, second = (t["image_dhash"].to_numpy().astype(np.int64) for t in (own, other))
        same = pc.is_in(own["image_sha256"], value_set=other["image_sha256"])
        earlier.append(
            {
                "path": str(folder),
                "n": other.num_rows,
                "identical": pc.sum(same).as_py(),
                "same_hash": int((nearest(first, second)[0] < least).sum()),
                "near": len(found),
                "looked_at": min(len(images), most),
            }
        )
    return {"earlier": earlier, "score": _share(near, len(images)) | {"samples": sorted(near)}}


def _share(found: set[Any], n: int) -> dict[str, Any]:
    return {"value": len(found) / n, "n": n, "interval": wilson_interval(len(found), n)}


def _read_hashes(release: Path) -> pa.Table:
    """Return the hashes of a release's accepted images."""
    index = release / "index.parquet"
    try:
        return pq.read_table(index, columns=HASHES, filters=[("accepted", "=", True)])
    except (OSError, pa.ArrowInvalid) as error:
        rule = f"{release} must be a release folder"
        raise DataError(rule, error, "name folders of releases in quality.previous") from error
