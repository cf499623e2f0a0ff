"""Bounds of each sample's scores, and what leaving them means.

In: the key `gates` of a section. Out: `Gate` by score.
"""

from pathlib import Path
from typing import Literal

from busgen.io import read_toml
from busgen.params.base import Bounds

Action = Literal["reject", "flag", "off"]


class Gate(Bounds):
    """Bounds of a sample's score, and what leaving them means.

    A gate that real images taught has a second action, `out_of_domain`: what it does to an image
    whose like it was not taught by, because its engine learned from no image
    (`busgen.images.engines.UNTAUGHT`) or no training patient was seen by such a scanner
    (`busgen.gates.scores.UNSEEN`). None stands for `action`.
    """

    action: Action = "reject"
    out_of_domain: Action | None = None

    def action_for(self, *, taught: bool) -> Action:
        """Return the action on an image, by whether the gate was taught by its like."""
        return self.action if taught else self.out_of_domain or self.action


_LISTED = read_toml(Path(__file__).with_name("bounds.toml"))
DEFAULT_GATES = {name: Gate(**bounds) for name, bounds in _LISTED["gates"].items()}
