"""The counterfactual families of a release, as arrays.

In: a release that `busgen generate --vary` made. Out: `Families`, a few row groups in memory.
"""

from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from busgen import schema
from busgen.errors import DataError
from busgen.io import decode_png, read_json
from busgen.metrics.counterfactuals import Families

MOST = 200


def read_families(release: Path, most: int = MOST) -> Families:
    """Return the first `most` families with a lesion, in the order of the data files.

    Raises
    ------
    DataError
        If the release cannot be read, or holds no families.
    """
    field = _varied(release)
    found = list(islice(_families(release, field), most))
    if not found:
        raise DataError("a release must hold families with lesions", "none", "ask for lesions")
    images = np.stack([np.stack([_grey(row, "image") for row in rows]) for rows in found])
    masks = np.stack([np.max([_grey(row, "mask") for row in rows], axis=0) for rows in found])
    masks //= np.uint8(255)
    terms = tuple(_term(row[field]) for row in found[0])
    return Families(images, masks, field, terms)


def _varied(release: Path) -> str:
    plan = read_json(release / "provenance.json").get("plan")
    field = plan.get("vary") if isinstance(plan, dict) else None
    if field not in schema.VARIED:
        rule = "a release must have been made with --vary"
        raise DataError(rule, f"vary: {field}", "busgen generate --vary FIELD")
    return str(field)


def _families(release: Path, field: str) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of each family with a lesion: they stand one after the other in a file."""
    for path in sorted((release / "data").glob("*.parquet")):
        for _, rows in groupby(_rows(path, field), key=lambda row: row["family_id"]):
            members = list(rows)
            if members[0]["pathology"] != "normal":
                yield members


def _rows(path: Path, field: str) -> Iterator[dict[str, Any]]:
    columns = ["family_id", "pathology", field, "image", "mask"]
    try:
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group, columns=columns).to_pylist()
    except (OSError, KeyError, pa.ArrowException) as error:
        raise DataError("a release must be readable", error, "run busgen verify") from error


def _term(value: str | bool | list[str]) -> str:
    """Return a field's value as a word; a margin has each term alone."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else "+".join(value)


def _grey(row: dict[str, Any], name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return decode_png(row[name]["bytes"], f"{name} of {row['family_id']}")
