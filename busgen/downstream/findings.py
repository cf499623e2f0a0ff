"""What is known of the test patients beside their class: their split, and how radiologists read it.

In: predictions, the folder of real data. Out: predictions with the columns `ADDED`.
"""

from pathlib import Path

import pyarrow as pa

from busgen.real.cohort import canonical_tables, cohort_file, load_cohort, real_rows

FINDINGS = ("birads", "shape", "orientation", "margin", "echo_pattern", "posterior")
ADDED = ("split", *FINDINGS)


def with_findings(predictions: pa.Table, real: Path) -> pa.Table:
    """Return predictions with what is known of each picture, text, missing where it is not.

    Several margins stand in one word, joined with "+".
    """
    columns = ["sample_id", *FINDINGS]
    rows = real_rows(
        canonical_tables(real), load_cohort(cohort_file(real)), columns=columns, usable=_any
    )
    known = {row["sample_id"]: row for row in rows}
    own = [known[name] for name in predictions["sample_id"].to_pylist()]
    for name in ADDED:
        predictions = predictions.append_column(
            pa.field(name, pa.string()), pa.array([_word(row[name]) for row in own], pa.string())
        )
    return predictions


def _any(row: object) -> bool:
    return True


def _word(value: object) -> str | None:
    if isinstance(value, list):
        return "+".join(sorted(map(str, value))) or None
    return None if value is None else str(value)
