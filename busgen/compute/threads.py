"""Threads of torch and OpenCV.

In: a block of code, or a process. Out: the same, with a fixed number of threads a sum: sums keep
their order, so that numbers repeat.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import torch


@contextmanager
def torch_threads(count: int = 1) -> Iterator[None]:
    """Compute with `count` threads a sum inside; other threads may compute beside it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def compute_alone() -> None:
    """Let this process compute in one thread, as several share the machine."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
