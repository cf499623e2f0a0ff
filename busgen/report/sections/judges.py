"""Who judged: how well segmenter and classifier judge real patients whom they never saw.

In: the judges' scores (`busgen.quality.judges`) and the plan. Out: scores by dataset, calibration,
what their checks decide.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from busgen.factory.plan import Plan
from busgen.report import words
from busgen.report.sections.funnel import format_interval
from busgen.schema import JUDGED

ALL = "all"
ECE = "ece_5_bins"
Record = Mapping[str, Any]


class Section(NamedTuple):
    """The judges: what their gates decide (name, action, bound), how well they judge.

    `segmenter` and `classifier`: recorded Dice and AUC by `dataset`, with one more figure `aside`,
    and whether the dataset is `strange`: not learned from. `normals` left empty and `calibration`,
    the expected error, as recorded.
    """

    in_use: bool
    checks: tuple[tuple[str, str, str], ...]
    segmenter: tuple[Record, ...]
    classifier: tuple[Record, ...]
    normals: Record | None
    calibration: Record | None


def make_section(scores: Record | None, plan: Plan) -> Section | None:
    """Return what is known of the judges, None where they have no scores on held-out patients."""
    if not scores or "test" not in scores:
        return None
    test, others = scores["test"], scores.get("other", {})
    gates = ((name, plan.request.gates.get(name)) for name in JUDGED)
    return Section(
        plan.resolution.judges_sha256 is not None,
        tuple((words.name_gate(n)[0], g.action, format_interval(n, g)) for n, g in gates if g),
        _score(test["segmenter"], {n: one["segmenter"] for n, one in others.items()}, "missed"),
        _score(
            test["classifier"].get("auc", {}),
            {n: one["classifier"].get("auc", {}) for n, one in others.items()},
            "area_alone",
        ),
        test["segmenter"].get("normals_left_empty"),
        test["classifier"].get("calibration", {}).get(ECE),
    )


def _score(own: Record, others: Mapping[str, Record], aside: str) -> tuple[Record, ...]:
    """Return the scores by dataset, all together last, then datasets that were not trained on."""
    records = [(name, one, False) for name, one in own.items() if aside in one]
    records.sort(key=lambda record: (record[0] == ALL, -record[1]["n"]))
    for name, part in others.items():
        records += [(name, one, True) for key, one in part.items() if key == name and aside in one]
    return tuple(
        {**one, "dataset": name, "aside": one[aside], "strange": strange}
        for name, one, strange in records
    )
