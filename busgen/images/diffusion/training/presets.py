"""Presets of the generator's training (`busgen.presets`).

`small` is what the parameters say by themselves: some two hours of two CPU cores. `base` is for one
large GPU, some 25 minutes.
"""

from types import MappingProxyType

from busgen.presets import Presets

PRESETS: Presets = MappingProxyType(
    {
        "small": {},
        "base": {
            "autoencoder": {"steps": 8000, "batch": 64},
            "flow": {"steps": 8000, "batch": 256, "widths": (128, 256, 384), "layers": 2},
            "guided": {"steps": 1500, "batch": 256},
            "decoder": {"steps": 4000, "batch": 64},
        },
        "rehearsal": {
            "text": {"steps": 4},
            "autoencoder": {"steps": 2, "batch": 2},
            "flow": {"steps": 2, "batch": 2, "widths": (32, 64)},
            "guided": {"steps": 2, "batch": 2},
            "decoder": {"steps": 2, "batch": 2},
        },
    }
)
