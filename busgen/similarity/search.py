"""Near-duplicates among very many images: the whole of one looks like another or its middle.

In: images, then their descriptions. Out: links, of mirrored images too. Neighbours are
approximate (FAISS, inverted lists; Douze 2024, arXiv 2401.08281): time grows far slower than
the square of the number of images. Links that `busgen.similarity.registration` finds among some
thousands, of smaller windows and drawn upon, are more; it asks every pair.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from busgen.arrays import Floats32, Indices, Pixels
from busgen.similarity import known_images
from busgen.similarity.known_images import mirror
from busgen.similarity.thumbnails import Link

if TYPE_CHECKING:
    import faiss

ALIKE = 0.75  # correlation from which images are near-duplicates
KEPT = (1.0, 0.9)  # of an image's side: with which parts of it others are compared
NEAREST = 8  # neighbours asked for: of more copies than these, not every pair is linked
PER_LIST, PROBED = 400, 8  # descriptions in an inverted list, lists searched
ROUNDS, SAMPLED = 10, 64  # of the clustering that makes the lists: rounds, descriptions a list


def describe(images: Iterable[Pixels]) -> Floats32:
    """Return what is compared of (S, S) uint8 images, (N, len(KEPT), d), the whole first."""
    return np.array(
        [[known_images.describe(image, kept) for kept in KEPT] for image in images], np.float32
    )


def find_duplicates(
    parts: Floats32, alike: float = ALIKE, families: Indices | None = None
) -> list[Link]:
    """Return pairs of images that look alike, in order of position.

    `parts`: (N, K, d) float32 unit vectors, as `describe` returns them; `alike`: correlation from
    which two images are linked; `families`: (N,) numbers from 0 of what images stem from: those of
    one are not linked, nor do they stand before others. Each alone if None.
    """
    if len(parts) < 2:
        return []
    own = np.arange(len(parts)) if families is None else families
    nearest = NEAREST + parts.shape[1] * (int(np.bincount(own).max()) - 1)
    best: dict[tuple[int, int], float] = {}
    index = _index(np.ascontiguousarray(parts.reshape(-1, parts.shape[2])))
    wholes = np.ascontiguousarray(parts[:, 0])
    for request in (wholes, mirror(wholes)):
        similarity, where = index.search(request, min(nearest, parts[..., 0].size))
        where //= parts.shape[1]
        other = own[where] != own[:, None]
        at, rank = np.nonzero((similarity >= alike) & (where >= 0) & other)
        found = (at, where[at, rank], similarity[at, rank])
        for one, two, value in zip(*(each.tolist() for each in found), strict=True):
            key = (min(one, two), max(one, two))
            best[key] = max(value, best.get(key, -1.0))
    return [Link(*key, best[key]) for key in sorted(best)]


def _index(rows: Floats32) -> "faiss.Index":
    """Return an index of all rows: lists that a clustering makes, one list where rows are few."""
    import faiss

    size = rows.shape[1]
    lists = len(rows) // PER_LIST
    whole = faiss.IndexFlatIP(size)
    if lists < 2:
        whole.add(rows)
        return whole
    index = faiss.IndexIVFFlat(whole, size, lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.max_points_per_centroid = ROUNDS, SAMPLED
    index.nprobe = PROBED
    index.train(rows)
    index.add(rows)
    return index
