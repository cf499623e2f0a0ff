"""Benchmark of the default release: what `busgen run` measured of it, beside its limits.

In: `data/` of this checkout, as `busgen run` made it by params.yaml as it stands in git. Out:
figures; those whose limit is that of real against real images are given in it.
"""

from collections.abc import Mapping
from typing import Any

from busgen.bench.harness import Figure, Figures, read_bars, share
from busgen.code import ROOT
from busgen.errors import UserError
from busgen.io import read_json

SCORES = ROOT / "data" / "quality" / "scores.json"
BARS = read_bars("release")


def measure(*, quick: bool = False) -> Figures:
    """Return the figures; nothing is made anew, `quick` or not.

    Raises `UserError` if there is no release.
    """
    del quick
    if not SCORES.is_file():
        raise UserError("the default release must be made", f"no {SCORES}", "run `busgen run`")
    record = read_json(SCORES)
    rows = [row for row in record["limits"]["rows"] if "value" in row]
    accepted, attempts = (sum(row[key] for row in record["realised"]["strata"])
                          for key in ("accepted", "attempts"))  # fmt: skip
    return {row["name"]: _figure(row) for row in rows} | {"acceptance": share(accepted, attempts)}


def _figure(row: Mapping[str, Any]) -> Figure:
    """Return a score that a limit bounds; of a limit of real images the multiple."""
    bound, given = (row["high"], row["max"]) if row["max"] is not None else (row["low"], row["min"])
    unit, name = (bound / given, "limits") if row["of"] == "floor_limit" else (1.0, "")
    ends = row.get("interval")
    between = (ends[0] / unit, ends[1] / unit) if ends else None
    return Figure(row["value"] / unit, name, row["n"], between)
