"""Where torch computes.

In: a device's name. Out: the device.
"""

import torch

from busgen.errors import UserError


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
