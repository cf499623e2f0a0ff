"""All cores at work: as many threads, and one thread a sum meanwhile."""

import os

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from busgen.compute.cores import on_all_cores


def blas_threads():
    """Return the threads of NumPy's BLAS; others may be loaded later than it was looked for."""
    found = [own["num_threads"] for own in threadpool_info()
             if own["user_api"] == "blas" and "numpy.libs" in own["filepath"]]  # fmt: skip
    assert len(found) == 1
    return found[0]


def test_work_is_shared_and_sums_are_not():
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        with on_all_cores() as pool:
            assert pool._max_workers == len(os.sched_getaffinity(0))
            assert list(pool.map(np.square, range(9))) == [x * x for x in range(9)]
            assert blas_threads() == 1
        assert blas_threads() == before == 2


def test_threads_are_given_back_after_an_error():
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        with pytest.raises(ValueError, match="odd"), on_all_cores() as pool:
            list(pool.map(int, ["1", "odd"]))
        assert blas_threads() == before
