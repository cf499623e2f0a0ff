"""Presets of the generator's training: changes of parameters by name.

In: parameters, a name. Out: parameters. `small` is what the parameters say by themselves: some two
hours of two CPU cores. `base` is for one large GPU, some 25 minutes.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from busgen.errors import UserError
from busgen.params import TrainImagesParams

PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "small": {},
        "base": {
            "autoencoder": {"steps": 8000, "batch": 64},
            "flow": {"steps": 8000, "batch": 256, "widths": (128, 256, 384), "layers": 2},
            "guided": {"steps": 1500, "batch": 256},
            "decoder": {"steps": 4000, "batch": 64},
        },
        "rehearsal": {
            "autoencoder": {"steps": 2, "batch": 2},
            "flow": {"steps": 2, "batch": 2, "widths": (32, 64)},
            "guided": {"steps": 2, "batch": 2},
            "decoder": {"steps": 2, "batch": 2},
        },
    }
)


def preset(params: TrainImagesParams, name: str | None) -> TrainImagesParams:
    """Return `params` with what the preset `name` changes; `UserError` if there is none."""
    if name is None:
        return params
    if name not in PRESETS:
        known = ", ".join(PRESETS)
        raise UserError("preset must be a known one", name, f"choose from {known}, or give none")
    changes = {
        part: getattr(params, part).model_copy(update=dict(change))
        for part, change in PRESETS[name].items()
    }
    return params.model_copy(update=changes)
