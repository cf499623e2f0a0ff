"""The arms of the comparison as data: what a model learns from, by name.

In: names, `real_augmented`, `real_synthetic_2`, `real_copy_paste@10` (10 % of the patients). Out:
`Arm`s. Every arm but `real` sees its pictures changed as `busgen.quality.judges.augment` changes
them, so that the primary comparison differs in the made pictures alone.
"""

from dataclasses import dataclass, replace

from busgen.errors import UserError

RATIOS = ("0.5", "1", "2", "4")  # made pictures for each real one
SHARES = (5, 10, 25, 50, 100)  # per cent of the training patients
BASE = "real_augmented"  # what every other arm is compared with
PRIMARY = "real_synthetic_1"  # the one comparison that was fixed beforehand
POOLED = "pooled_augmented"


@dataclass(frozen=True)
class Arm:
    """What one arm learns from.

    `real` the training patients of its data set, `pooled` of every data set; `synthetic`, `pasted`
    made and copy-paste pictures for each real one, which are as often drawn; `augmented` whether
    pictures are changed; `shuffled` a control that must fail: labels or masks of others;
    `share` of the training patients that are there at all.
    """

    name: str
    real: bool = True
    pooled: bool = False
    synthetic: float = 0.0
    pasted: float = 0.0
    augmented: bool = True
    shuffled: bool = False
    share: float = 1.0

    @property
    def base(self) -> str:
        """Name of the arm that it is compared with: as many patients, no made pictures."""
        _, at, share = self.name.partition("@")
        return f"{BASE}{at}{share}"


KINDS = {
    arm.name: arm
    for arm in (
        Arm("real", augmented=False),
        Arm(BASE),
        Arm("synthetic", real=False, synthetic=1.0),
        *(Arm(f"real_synthetic_{ratio}", synthetic=float(ratio)) for ratio in RATIOS),
        Arm("real_copy_paste", pasted=1.0),
        Arm(POOLED, pooled=True),
        Arm("shuffled", shuffled=True),
    )
}
CORE = ("real", BASE, "synthetic", PRIMARY, "real_synthetic_2", "real_copy_paste")
QUICK = (BASE, "synthetic", PRIMARY)


def arm_of(name: str) -> Arm:
    """Return the arm of a name.

    Raises
    ------
    UserError
        If no arm is named so, or its share is none of `SHARES`.
    """
    kind, at, share = name.partition("@")
    if kind not in KINDS:
        raise UserError("an arm must be known", repr(name), f"choose from {', '.join(KINDS)}")
    arm = KINDS[kind]
    if not at:
        return arm
    if share not in map(str, SHARES) or not arm.real:
        rule = "an arm's share of real patients must be " + ", ".join(map(str, SHARES))
        raise UserError(rule, repr(name), f"e.g. {BASE}@10")
    return replace(arm, name=name, share=int(share) / 100)
