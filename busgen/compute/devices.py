"""Where torch computes, and in how many threads; those of OpenCV too.

In: a device's name; a block of code, or a process. Out: the device; the same, with a fixed number
of threads a sum: sums keep their order, so that numbers repeat.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import torch

from busgen.compute.cores import limit_cores
from busgen.errors import UserError


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
    limit_cores(1)


def resolve_device(name: str = "auto") -> torch.device:
    """Return the device that ``auto``, ``cpu`` or ``cuda[:k]`` names; ``auto`` is a GPU if any.

    Raises `UserError` if it is none, or a GPU that the machine does not have.
    """
    count = torch.cuda.device_count()
    known = ("cpu", *(("cuda",) if count else ()), *(f"cuda:{k}" for k in range(count)))
    if name == "auto":
        return torch.device("cuda" if count else "cpu")
    if name not in known:
        raise UserError("device must be one that is here", name, f"use auto, {', '.join(known)}")
    return torch.device(name)


def autocast(device: torch.device, wanted: bool = True) -> torch.autocast:
    """Return the context in which networks compute in bfloat16, where it is fast and `wanted`."""
    fast = fast_dtype(device) == torch.bfloat16
    return torch.autocast(device.type, torch.bfloat16, enabled=fast and wanted)


def fast_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 where `device` has it, else float32.

    A processor without it imitates it, far slower than float32 (a convolution: 31 s for .35).
    """
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if fast else torch.float32
