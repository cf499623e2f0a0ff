"""Candidates to release: accepted samples as a validated, documented, checksummed dataset.

In: the folder that the generation loop wrote (plan.json, index.parquet, unfilled.json, shards/).
Out: the folder that users load (README.md of it says how). No clock time, host or path enters it:
the same candidates give the same bytes.
"""

import platform
import shutil
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from busgen import NOT_FOR_CLINICAL_USE
from busgen.errors import DataError
from busgen.folders import lock_folder, write_folder
from busgen.io import dumps, read_json, write_text
from busgen.params.release import ReleaseParams
from busgen.release import files, rows, sql
from busgen.release.contract.expectations import require_index, require_types
from busgen.release.description import card
from busgen.release.description.croissant import describe

RELEASE = "release"
_TOOLS = ("numpy", "opencv-python-headless", "pillow", "pyarrow", "scipy")


def write_release(
    candidates: Path, out: Path, params: ReleaseParams | None = None, scores: Path | None = None
) -> None:
    """Write the accepted samples of `candidates` as the release folder `out`, whole or not at all.

    A release that `out` already holds, and that nobody changed, is replaced (`busgen.folders`).
    `params` give title, splits and date, `scores` is the file of what was measured on the same
    candidates: the card then tells its verdict. Raises `DataError` if the candidates are damaged or
    break the contract: nothing is written; `UserError` if `out` holds anything but a release, or
    cannot be written.
    """
    chosen = params or ReleaseParams()
    with lock_folder(out, RELEASE):
        plan = read_json(candidates / "plan.json")
        unfilled = read_json(candidates / "unfilled.json").get("unfilled")
        if not isinstance(unfilled, list):
            raise DataError("unfilled.json must list family ids", unfilled, "run generate again")
        require_types(candidates / files.INDEX)
        limits = read_json(scores)["limits"] if scores else None
        with write_folder(out, RELEASE) as folder:
            _write_tables(candidates, folder, chosen, plan)
            generated = card.gather(folder / files.INDEX, len(unfilled))
            _require_all(generated, plan, rows.find_files(candidates))
            record = to_record(plan, chosen, generated, list(map(str, unfilled)))
            write_text(folder / files.CARD, card.write_card(generated, plan, chosen.title, limits))
            write_text(folder / files.DICTIONARY, card.write_dictionary())
            write_text(folder / files.LICENCE, _licence(plan))
            write_text(folder / files.PROVENANCE, dumps(record))
            write_text(folder / files.CROISSANT, dumps(describe(folder, chosen, plan)))
            files.write_sums(folder)


def _require_all(generated: card.Facts, plan: dict[str, object], shards: list[Path]) -> None:
    """Raise `DataError` unless every family was accepted or given up, and no attempt is lost."""
    attempts = sum(pq.read_metadata(path).num_rows for path in shards)
    remedy = "run generate again: it makes what is missing"
    if generated.attempts != attempts:
        rule = "attempts in the index and in shards/ must add up to the same"
        raise DataError(rule, f"{generated.attempts} and {attempts}", remedy)
    if generated.families + generated.unfilled != int(str(plan["n"])):
        rule = "accepted and unfilled findings (families) must add up to the plan's n"
        raise DataError(rule, f"{generated.families} + {generated.unfilled} of {plan['n']}", remedy)


def _write_tables(
    candidates: Path, folder: Path, params: ReleaseParams, plan: dict[str, object]
) -> None:
    """Write the index with its splits, check it, and write the data files."""
    data, scratch = folder / files.DATA, folder / ".scratch"
    data.mkdir()
    scratch.mkdir()
    index, shards = folder / files.INDEX, rows.find_files(candidates)
    attempts = sql.from_parquet(candidates / files.INDEX)
    try:
        with sql.connect(scratch) as connection:
            rows.write_index(connection, rows.assign_split(attempts, params.splits.items()), index)
            require_index(index, plan)
            rows.select_accepted(connection, index, shards)
            for split in files.SPLITS:
                rows.write_split(rows.read_rows(connection, shards, split), data, split)
    except (sql.Error, pa.ArrowException) as error:
        rule = "candidates must be whole, and the disk have room"
        raise DataError(rule, error, "free space, generate again") from error
    shutil.rmtree(scratch)


def _licence(plan: dict[str, object]) -> str:
    """Return the licence, with the datasets that anything in the release learned from."""
    lines = [
        f"- {one['name']}: {one['citation']}. Licence: {one['licence']}."
        for one in card.list_sources(plan)
    ]
    head = "No pixel of a patient is in it. What drew and judged it learned from these datasets:"
    return "\n".join([card.LICENCE_TEXT, head, "", *lines, ""]) if lines else card.LICENCE_TEXT


def to_record(
    plan: dict[str, object], params: ReleaseParams, generated: card.Facts, unfilled: list[str]
) -> dict[str, object]:
    """Return how the release came to be; `plan_sha256` and `release` say of what and how."""
    return {
        "notice": NOT_FOR_CLINICAL_USE,
        "licence": "CC-BY-4.0",
        "title": params.title,
        "plan": plan,
        "plan_sha256": plan.get("sha256"),
        "release": params.model_dump(mode="json"),
        "made": asdict(generated),
        "unfilled": unfilled,
        "tools": {"python": platform.python_version()} | {name: version(name) for name in _TOOLS},
    }
