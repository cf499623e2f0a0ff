"""Threads of torch while the scores compute: sums keep their order, so that numbers repeat.

In: a block of code. Out: the same block, with one thread a sum.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread a sum inside; other threads may compute beside it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
