"""One sample's whole history, and the same sample made anew.

In: a release folder and a sample's id. Out: records that the command line prints.
"""

from pathlib import Path
from typing import Any

import numpy as np

from busgen import schema
from busgen.errors import UserError
from busgen.io import read_json, sha256_array
from busgen.release import sql
from busgen.release.files import INDEX, PROVENANCE, require_release
from busgen.release.read import read_image, read_mask, unknown_sample_error

_FINDING = tuple(c.name for c in schema.columns("index") if c.source == "finding")
_MASK = tuple(c.name for c in schema.columns("index") if c.source == "mask")
_SCORES = tuple(
    c.name for c in schema.columns("index") if c.source == "gate" and c.type == schema.REALS
)
_VERDICT = ("attempt", "seed", "accepted", "reason", "flags", "duplicate_of", "image_sha256")
_MADE_BY = ("mask_engine", "mask_engine_sha256", "engine", "engine_sha256", "prior_sha256",
            "code_version")  # fmt: skip


def read_history(folder: Path, sample_id: str) -> list[dict[str, Any]]:
    """Return every attempt at a sample with its scores and verdict, then what became of it.

    The other members of a counterfactual family are named, as `busgen show` takes them.
    """
    rows = _attempts(folder, sample_id)
    last = rows[-1]
    query = f"""SELECT DISTINCT sample_id FROM {sql.from_parquet(folder / INDEX)}
        WHERE family_id = ? AND sample_id <> ? ORDER BY 1"""
    with sql.connect() as connection:
        others = connection.execute(query, [last["family_id"], sample_id]).fetchall()
    final = {
        "sample_id": sample_id,
        "final": "released" if last["accepted"] else "given up",
        "split": last["split"],
        "attempts": len(rows),
        "family": [str(name) for (name,) in others],
        "finding": {name: last[name] for name in _FINDING},
        "made_by": {name: last[name] for name in _MADE_BY},
    }
    attempts = [
        {name: row[name] for name in _VERDICT}
        | {"scores": {name: row[name] for name in _SCORES}}
        | {"geometry": {name: row[name] for name in _MASK}}
        for row in rows
    ]
    return [*attempts, final]


def redraw(folder: Path, sample_id: str) -> dict[str, Any]:
    """Return how a released sample compares with itself drawn and rendered anew.

    Returns ``same_image, same_mask`` (bool), ``max_abs_difference`` (grey levels),
    ``engine_changed`` (names of the engines whose hash is no longer the release's). Raises
    `UserError` if the sample is unknown or was given up, or its row was altered to what cannot be.
    """
    from busgen.images.contract import ModelOptions
    from busgen.images.engines import load_image_engine
    from busgen.masks.engines import load_mask_engine
    from busgen.priors.findings import check, from_row

    row = _attempts(folder, sample_id)[-1]
    if not row["accepted"]:
        raise UserError("a sample made anew must be a released one", f"{sample_id}, given up",
                        "its attempts are in the index, its pixels were not kept")  # fmt: skip
    plan = read_json(folder / PROVENANCE)["plan"]
    size_px = int(plan["size_px"])
    learned = ModelOptions(adapter=plan["adapter"], steps=plan["steps"], guidance=plan["guidance"])
    masks = load_mask_engine(row["mask_engine"], size_px)
    images = load_image_engine(row["engine"], size_px, learned=learned)
    finding = check(from_row(row), size_px)
    mask = masks.draw([finding])
    image = images.render([finding], mask)[0]
    released = read_image(folder, sample_id)
    loaded = {"mask_engine": masks.sha256, "engine": images.sha256}
    return {
        "sample_id": sample_id,
        "same_image": sha256_array(image) == row["image_sha256"],
        "same_mask": bool(np.array_equal(mask[0] * 255, read_mask(folder, sample_id))),
        "max_abs_difference": int(np.abs(image.astype(int) - released.astype(int)).max()),
        "engine_changed": [k for k, sha256 in loaded.items() if row[f"{k}_sha256"] != sha256],
    }


def _attempts(folder: Path, sample_id: str) -> list[dict[str, Any]]:
    """Return the rows of the index with this id, by attempt; `UserError` if there are none."""
    with sql.connect() as connection:
        rows: list[dict[str, Any]] = connection.sql(
            f"SELECT * FROM {sql.from_parquet(require_release(folder) / INDEX)} "
            f"WHERE sample_id = {sql.quote_text(sample_id)} ORDER BY attempt"
        ).to_arrow_table().to_pylist()  # fmt: skip
    if not rows:
        raise unknown_sample_error(folder, sample_id)
    return rows
