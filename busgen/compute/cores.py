"""Work on all cores: one thread an image, and one thread a sum in the libraries below.

In: a block of code. Out: a pool of threads for it. Where each of them asks BLAS for all cores too,
threads wait for each other: gates and scores took a third longer so.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import numpy  # noqa: F401  its BLAS is loaded before it is looked for
from threadpoolctl import ThreadpoolController


@contextmanager
def on_all_cores() -> Iterator[ThreadPoolExecutor]:
    """Yield as many threads as there are cores, for what cv2, numpy and zlib compute."""
    with _libraries().limit(limits=1, user_api="blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        yield pool


@cache
def _libraries() -> ThreadpoolController:
    """Return the libraries loaded so far, NumPy's among them: to look for them takes 9 ms."""
    return ThreadpoolController()
