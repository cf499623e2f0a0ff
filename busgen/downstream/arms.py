"""The arms of the comparison as data: what a model learns from, by name.

In: names, KIND[:SET][@SHARE]: `real_augmented`, `real_synthetic_2`, `synthetic:phantom` (made
images of the set so named), `real_synthetic_1:mixed` (of all sets alike), `real_copy_paste@10`
(10 % of the patients). Out: `Arm`s. Every arm but `real` sees its images changed as
`busgen.judges.training.batches` changes them, so that the primary comparison differs in the made
images alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from busgen.errors import UserError
from busgen.io import read_toml

SHARES = (5, 10, 25, 50, 100)  # per cent of the training patients
BASE = "real_augmented"  # what every other arm is compared with
PRIMARY = "real_synthetic_1"  # the one comparison that was fixed beforehand
POOLED = "pooled_augmented"
ORDERS = (
    "mixed",
    "first",
    "fading",
)  # made images all along; alone at first, then none; ever fewer
MIXED = "mixed"  # made images of all sets, as many of each


@dataclass(frozen=True)
class Arm:
    """What one arm learns from.

    `real` the training patients of its data set, `pooled` those of every data set that the
    generator saw too; `synthetic`, `pasted` made and copy-paste images for each real one, which
    are as often drawn; `order` when those are drawn (`ORDERS`); `others` made images of scanners
    that no real training image is of; `top_up` made images of "rare" strata alone or of the rarer
    "class" (`busgen.downstream.data.pools`); `augmented` whether images are changed; `shuffled` a
    control that must fail: labels or masks of others; `longer` times as many steps, to ask whether
    the base had levelled off; `share` of the training and validation patients that are there at
    all; `made_by` the set of made images, empty for the first.
    """

    name: str
    real: bool = True
    pooled: bool = False
    synthetic: float = 0.0
    pasted: float = 0.0
    order: str = "mixed"
    others: bool = False
    top_up: str = ""
    augmented: bool = True
    shuffled: bool = False
    longer: int = 1
    share: float = 1.0
    made_by: str = ""

    @property
    def base(self) -> str:
        """Name of the arm that it is compared with: as many patients, no made images."""
        _, at, share = self.name.partition("@")
        return f"{BASE}{at}{share}"

    @property
    def is_synthetic(self) -> bool:
        """Whether it has made images."""
        return self.synthetic > 0 or bool(self.top_up)


_LISTED = read_toml(Path(__file__).with_suffix(".toml"))
KINDS = {name: Arm(name, **own) for name, own in _LISTED["kinds"].items()}
QUICK = (BASE, "synthetic", PRIMARY)
GROUPS = {name: tuple(arms) for name, arms in _LISTED["groups"].items()}
ENGINES = "engines"  # the group that depends on the sets that were named


def expand(names: Sequence[str], others: Sequence[str] = ()) -> tuple[str, ...]:
    """Return arms, groups written out, each once; `others` are the sets beside the first."""
    named = [f"{kind}:{name}" for name in others for kind in ("synthetic", PRIMARY)]
    groups = GROUPS | {ENGINES: (*QUICK, *named, *([f"{PRIMARY}:{MIXED}"] if others else []))}
    return tuple(dict.fromkeys(arm for name in names for arm in groups.get(name, (name,))))


def find_arm(name: str, others: Sequence[str] | None = None) -> Arm:
    """Return the arm of a name; `others`, where given, are the sets that it may name.

    Raises `UserError` if no arm is named so, it names no set, or its share is none of `SHARES`.
    """
    words, at, share = name.partition("@")
    kind, colon, made_by = words.partition(":")
    if kind not in KINDS:
        known = ", ".join((*KINDS, *GROUPS, ENGINES))
        raise UserError("an arm must be known", repr(name), f"choose from {known}")
    arm = KINDS[kind]
    if colon and not (arm.is_synthetic and made_by):
        raise UserError("only an arm with made images names their set", repr(name), f"say {kind}")
    if colon and others is not None and made_by not in (*others, MIXED):
        rule = "an arm's set of made images must be named by --data NAME=DIR"
        raise UserError(rule, repr(name), f"choose from {', '.join((*others, MIXED))}")
    if at and (share not in map(str, SHARES) or not arm.real):
        rule = "an arm's share of real patients must be " + ", ".join(map(str, SHARES))
        raise UserError(rule, repr(name), f"e.g. {BASE}@10")
    return replace(arm, name=name, share=int(share) / 100 if at else 1.0, made_by=made_by)
