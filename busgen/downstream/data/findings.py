"""What is known of the test patients beside their class: their split, and how radiologists read it.

In: real data, predictions. Out: predictions with the columns `ADDED`.
"""

from collections.abc import Mapping

import pyarrow as pa

from busgen.downstream.data.real_images import Real
from busgen.real.cohort import real_rows

FINDINGS = ("birads", "shape", "orientation", "margin", "echo_pattern", "posterior")
ADDED = ("split", *FINDINGS)


Words = dict[str, str | None]


def findings_of(real: Real) -> dict[str, Words]:
    """Return what is known of each picture by its name, missing where it is not.

    Several margins stand in one word, joined with "+".
    """
    columns = ["sample_id", *FINDINGS]
    rows = real_rows(real.tables, real.cohort, columns=columns, usable=_any)
    return {row["sample_id"]: {name: _word(row[name]) for name in ADDED} for row in rows}


def with_findings(predictions: pa.Table, known: Mapping[str, Words]) -> pa.Table:
    """Return predictions with what is known of each picture, text."""
    own = [known[name] for name in predictions["sample_id"].to_pylist()]
    for name in ADDED:
        predictions = predictions.append_column(
            pa.field(name, pa.string()), pa.array([row[name] for row in own], pa.string())
        )
    return predictions


def _any(row: object) -> bool:
    return True


def _word(value: object) -> str | None:
    if isinstance(value, list):
        return "+".join(sorted(map(str, value))) or None
    return None if value is None else str(value)
