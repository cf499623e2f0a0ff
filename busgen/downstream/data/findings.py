"""What is known of the test patients beside their class: their split, and how radiologists read it.

In: real data, predictions. Out: predictions with the columns `ADDED`.
"""

from collections.abc import Mapping

import pyarrow as pa

from busgen.downstream.data.real_images import RealData
from busgen.real.cohort import read_rows

FINDINGS = ("birads", "shape", "orientation", "margin", "echo_pattern", "posterior")
ADDED = ("split", *FINDINGS)


Words = dict[str, str | None]


def read_findings(real: RealData) -> dict[str, Words]:
    """Return what is known of each image by its name, missing where it is not.

    Several margins stand in one word, joined with "+".
    """
    columns = ["sample_id", *FINDINGS]
    rows = read_rows(real.tables, real.cohort, columns=columns, usable=lambda _: True)
    return {row["sample_id"]: {name: _to_text(row[name]) for name in ADDED} for row in rows}


def join(predictions: pa.Table, known: Mapping[str, Words]) -> pa.Table:
    """Return predictions with what is known of each image, text."""
    own = [known[name] for name in predictions["sample_id"].to_pylist()]
    for name in ADDED:
        column = pa.array([row[name] for row in own], pa.string())
        predictions = predictions.append_column(pa.field(name, pa.string()), column)
    return predictions


def _to_text(value: object) -> str | None:
    if isinstance(value, list):
        return "+".join(sorted(map(str, value))) or None
    return None if value is None else str(value)
