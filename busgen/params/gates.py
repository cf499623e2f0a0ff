"""Bounds of each sample's scores, and what leaving them means.

In: the key `gates` of a section, or words of the command line. Out: `Gate` by score.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

from busgen.errors import UserError
from busgen.io import read_toml
from busgen.params.base import Bounds, check

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


def parse_gates(words: Sequence[str], gates: Mapping[str, Gate]) -> dict[str, Gate]:
    """Return `gates` changed as words say: ``NAME=flag``, ``all=off``, ``NAME.max=NUMBER``.

    An action is also what a gate does to images out of its domain. Raises `UserError` for a gate,
    action or bound that is none.
    """
    changed = dict(gates)
    for word in words:
        key, _, value = word.partition("=")
        name, _, bound = key.partition(".")
        if name not in {*gates, "all"} or (name == "all" and bound):
            known = f"one of {', '.join(gates)}, or all=ACTION"
            raise UserError("a gate must be known", repr(word), known)
        own: dict[str, object] = {"action": value, "out_of_domain": value}
        if bound:
            own = {bound: value}
        elif value not in get_args(Action):
            rule = "a gate must have an action or a bound"
            actions = ", ".join(f"{name}={action}" for action in get_args(Action))
            raise UserError(rule, repr(word), f"{actions}, {name}.min=NUMBER or {name}.max=NUMBER")
        for one in gates if name == "all" else (name,):
            changed[one] = check(Gate, changed[one].model_dump() | own, f"--gates {word}", one)
    return changed
