"""The scanners that the diffusion engine has learned, by their real names.

In: nothing. Out: the order of the network's styles, and which of them the prior's generic scanners
are like.
"""

from collections.abc import Mapping
from types import MappingProxyType

from busgen.schema import DEVICES

STYLES = DEVICES  # in the order of the network's embeddings
NO_STYLE = len(STYLES)
ON_REQUEST = 1e-9  # share of a scanner that is drawn only where a user asks for it
# Proportions are ours (docs/log): frequencies as published, BrEaST and BUSI name no scanner.
LIKE: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "linear_7mhz": {"GE Logiq 5": 1.0},
        "linear_10mhz": {
            "GE Logiq 7": 0.5,
            "BUSI": 0.35,
            "Toshiba Aplio 300": 0.15,
            "U-Systems": ON_REQUEST,
        },
        "linear_12mhz_compound": {"BrEaST": 0.7, "BUSI": 0.3},
        "curved_5mhz": {"GE Logiq 5": 0.5, "BrEaST": 0.5},
    }
)
