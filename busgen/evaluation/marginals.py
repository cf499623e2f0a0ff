"""What was asked for, and what of it was accepted.

In: a release's index, one row for every attempt. Out: counts by field and term, and acceptance by
stratum with the reasons of rejection.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds

from busgen.errors import DataError

if TYPE_CHECKING:
    import duckdb

FIELDS: Sequence[str] = (
    "pathology", "birads", "tissue", "shape", "orientation", "margin", "echo_pattern",
    "posterior", "halo", "calcification", "scanner",
)  # fmt: skip
STRATA = """
    select pathology, shape, count(*), count(*) filter (accepted),
        histogram(reason) filter (not accepted)
    from attempts group by 1, 2 order by 1, 2
"""


def compare(index: Path) -> dict[str, Any]:
    """Return requested against accepted counts, and acceptance by stratum.

    Raises `DataError` if the index cannot be read.

    Returns
    -------
    dict
        ``fields[field][term]`` = ``{"requested", "accepted"}``: findings (first attempts) and
        accepted samples; margin terms are counted each. ``strata``: one record for each
        pathology and shape with ``attempts, accepted, reasons``.
    """
    import duckdb

    try:
        attempts = ds.dataset(index, format="parquet")
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError("index.parquet must be readable", error, "run busgen verify") from error
    with duckdb.connect() as connection:
        connection.register("attempts", attempts)
        fields = {name: _marginal(connection, name) for name in FIELDS}
        strata = connection.execute(STRATA).fetchall()
    keys = ("pathology", "shape", "attempts", "accepted", "reasons")
    return {"fields": fields, "strata": [dict(zip(keys, row, strict=True)) for row in strata]}


def _marginal(connection: "duckdb.DuckDBPyConnection", name: str) -> dict[str, dict[str, int]]:
    """Return {term: {"requested", "accepted"}} of one field; null is "not applicable"."""
    term = f"unnest({name})" if name == "margin" else name
    counted = connection.execute(
        f"select term::varchar, count(*) filter (attempt = 0), count(*) filter (accepted) "
        f"from (select {term} as term, attempt, accepted from attempts) "
        "where term is not null group by 1 order by 1"
    ).fetchall()
    return {term: {"requested": asked, "accepted": got} for term, asked, got in counted}
