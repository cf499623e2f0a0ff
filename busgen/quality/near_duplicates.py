"""Near-duplicates among very many pictures: those whose whole looks alike, mirrored or not.

In: descriptions (`busgen.quality.known.described`). Out: links. Neighbours are approximate (FAISS,
inverted lists; Douze 2024, arXiv 2401.08281), so that time grows far slower than the square of the
number of pictures. `busgen.real.near_duplicates` finds smaller windows too, of some thousands.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from busgen.quality.known import Rows, mirrored

if TYPE_CHECKING:
    import faiss

ALIKE = 0.66  # correlation of near-duplicates: the bound of `copy_similarity`, of held-out patients
NEAREST = 8  # neighbours asked for: of more copies than these, not every pair is linked
PER_LIST = 200  # pictures in an inverted list
PROBED = 16  # lists searched
ROUNDS, SAMPLED = 10, 64  # of the clustering that makes the lists: rounds, pictures a list


class Link(NamedTuple):
    """Two pictures, by position, `first` before `second`; `similarity` is their correlation."""

    first: int
    second: int
    similarity: float


def near_duplicates(descriptions: Rows, alike: float = ALIKE) -> list[Link]:
    """Return pairs of pictures that look alike, in order of position.

    Parameters
    ----------
    descriptions
        (N, d) float32 unit vectors.
    alike
        Correlation from which two pictures are linked.
    """
    if len(descriptions) < 2:
        return []
    best: dict[tuple[int, int], float] = {}
    for first, second, similarity in _neighbours(descriptions, alike):
        key = (min(first, second), max(first, second))
        best[key] = max(similarity, best.get(key, -1.0))
    return [Link(*key, best[key]) for key in sorted(best)]


def _neighbours(descriptions: Rows, alike: float) -> list[tuple[int, int, float]]:
    """Return what lies near each picture, and near its mirror image."""
    rows = np.ascontiguousarray(descriptions, np.float32)
    index = _index(rows)
    found: list[tuple[int, int, float]] = []
    for asked in (rows, mirrored(rows)):
        similarity, where = index.search(asked, min(NEAREST, len(rows)))
        own = np.arange(len(rows))[:, None]
        at, rank = np.nonzero((similarity >= alike) & (where >= 0) & (where != own))
        found += zip(
            at.tolist(), where[at, rank].tolist(), similarity[at, rank].tolist(), strict=True
        )
    return found


def _index(rows: Rows) -> "faiss.Index":
    """Return an index of all rows: lists that a clustering makes, one list where rows are few."""
    import faiss

    size = rows.shape[1]
    lists = len(rows) // PER_LIST
    if lists < 2:
        index = faiss.IndexFlatIP(size)
    else:
        coarse = faiss.IndexFlatIP(size)
        index = faiss.IndexIVFFlat(coarse, size, lists, faiss.METRIC_INNER_PRODUCT)
        index.cp.niter, index.cp.max_points_per_centroid = ROUNDS, SAMPLED
        index.nprobe = PROBED
        index.train(rows)
    index.add(rows)
    return index
