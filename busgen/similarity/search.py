"""Near-duplicates among very many images: the whole of one looks like another or its middle.

In: images, then their descriptions or hashes. Out: links, of mirrored images too; 64-bit difference
hashes, and distances to the nearest of others in bits, which tell repeats while a release is made.
Neighbours are approximate (FAISS, inverted lists; Douze 2024, arXiv 2401.08281): time grows far
slower than the square of the number of images. Links that `busgen.similarity.registration` finds
among some thousands, of smaller windows and drawn upon, are more; it asks every pair.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen.arrays import Floats32, Indices, Pixels
from busgen.similarity import known_images
from busgen.similarity.known_images import mirror
from busgen.similarity.registration import Link

HASH_BLOCK = 2**15


if TYPE_CHECKING:
    import faiss

ALIKE = 0.75  # correlation from which images are near-duplicates
KEPT = (1.0, 0.9)  # of an image's side: with which parts of it others are compared
NEAREST = 8  # neighbours asked for: of more copies than these, not every pair is linked
PER_LIST, PROBED = 400, 8  # descriptions in an inverted list, lists searched
ROUNDS, SAMPLED = 10, 64  # of the clustering that makes the lists: rounds, descriptions a list


def describe(images: Iterable[Pixels]) -> Floats32:
    """Return what is compared of (S, S) uint8 images, (N, len(KEPT), d), the whole first."""
    found = [[known_images.describe(image, kept) for kept in KEPT] for image in images]
    return np.array(found, np.float32)


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


def hash_image(image: Pixels) -> int:
    """Return the 64-bit difference hash: which of 8x9 area means grow to the right."""
    small = cv2.resize(image, (9, 8), interpolation=cv2.INTER_AREA)
    bits = np.packbits((small[:, 1:] > small[:, :-1]).ravel())
    return int(bits.view(np.int64)[0])


def nearest(
    hashes: NDArray[np.int64], earlier: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for each of (N,) hashes, the least Hamming distance to (M,) earlier ones and where.

    Distance 64 and position -1 where there is no earlier one. In blocks: memory does not grow
    with M.
    """
    least = np.full(hashes.shape, 64)
    where = np.full(hashes.shape, -1)
    own = hashes.view(np.uint64)[:, None]  # of signed numbers, bitwise_count counts their abs()
    for start in range(0, len(earlier), HASH_BLOCK):
        block = earlier[start : start + HASH_BLOCK].view(np.uint64)
        distance = np.bitwise_count(own ^ block[None, :])
        at = distance.argmin(axis=1)
        near = distance[np.arange(len(hashes)), at].astype(np.int64)
        closer = (near < least) | (where < 0)
        least[closer], where[closer] = near[closer], start + at[closer]
    return least, where
