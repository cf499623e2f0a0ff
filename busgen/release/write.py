"""Candidates to release: accepted samples as a validated, documented, checksummed dataset.

In: the folder that the generation loop wrote (plan.json, index.parquet, unfilled.json, shards/).
Out: the folder that users load (README.md of it says how). No clock time, host or path enters it:
the same candidates give the same bytes.
"""

import platform
import shutil
from importlib.metadata import version
from pathlib import Path

from busgen import NOT_FOR_CLINICAL_USE, schema
from busgen.errors import DataError, UserError
from busgen.io import dumps, read_json, replacing_folder, write_text
from busgen.release import card, facts, files, rows, sql
from busgen.release.contract import require_index
from busgen.release.croissant import croissant

INDEX_GROUP_ROWS = 65_536
_TOOLS = ("numpy", "opencv-python-headless", "pillow", "pyarrow", "scipy")


def write_release(candidates: Path, out: Path) -> None:
    """Write the accepted samples of `candidates` as the release folder `out`, whole or not at all.

    A release that `out` already holds is replaced.

    Raises
    ------
    DataError
        If the candidates are damaged or break the contract: nothing is written.
    UserError
        If `out` holds anything but a release, or cannot be written.
    """
    check_replaceable(out)
    plan = read_json(candidates / "plan.json")
    unfilled = _unfilled(candidates)
    index = candidates / files.INDEX
    require_index(index)
    made = facts.gather(index, len(unfilled))
    if made["n"] != int(str(plan["n"])) - len(unfilled):
        raise DataError(
            "accepted and unfilled samples must add up to the plan's n",
            f"{made['n']} + {len(unfilled)} of {plan['n']}",
            "run generate again: it makes what is missing",
        )
    with replacing_folder(out) as folder:
        _write_tables(candidates, folder, made)
        write_text(folder / files.CARD, card.card(made, plan))
        write_text(folder / files.DICTIONARY, card.dictionary())
        write_text(folder / files.LICENCE, card.licence())
        write_text(folder / files.PROVENANCE, dumps(_provenance(plan, made, unfilled)))
        write_text(folder / files.CROISSANT, dumps(croissant(folder, plan)))
        files.write_sums(folder)


def check_replaceable(out: Path) -> None:
    """Raise `UserError` if `out` holds something that is not a release of ours."""
    foreign = out.exists() and not out.is_dir()
    if foreign or (out.is_dir() and any(out.iterdir()) and not (out / files.SUMS).is_file()):
        raise UserError(
            "the output must be a new or empty folder, or a release to replace",
            out,
            "name another folder",
        )


def _unfilled(candidates: Path) -> list[str]:
    listed = read_json(candidates / "unfilled.json").get("unfilled")
    if not isinstance(listed, list):
        raise DataError("unfilled.json must list sample ids", listed, "run generate again")
    return [str(sample_id) for sample_id in listed]


def _write_tables(candidates: Path, folder: Path, made: dict[str, object]) -> None:
    """Write the data files and the index."""
    data, scratch = folder / files.DATA, folder / ".scratch"
    data.mkdir()
    scratch.mkdir()
    with sql.connect(scratch) as connection:
        rows.join_accepted(connection, candidates)
        for split in files.SPLITS:
            rows.write_split(rows.accepted_rows(connection, candidates, split), data, split)
        _write_index(connection, candidates / files.INDEX, folder / files.INDEX)
    shutil.rmtree(scratch)


def _write_index(connection: sql.Connection, source: Path, target: Path) -> None:
    """Write every attempt, by sample and attempt, whatever order the loop made them in."""
    columns = schema.arrow_schema("index")
    names = ", ".join(map(sql.name, columns.names))
    batches = connection.sql(
        f"SELECT {names} FROM {sql.parquet(source)} ORDER BY sample_id, attempt"
    ).to_arrow_reader(INDEX_GROUP_ROWS)
    tables = (rows.as_table(batch, columns) for batch in batches)
    with rows.open_writer(target, columns) as writer:
        for table in rows.regroup(tables, INDEX_GROUP_ROWS):
            writer.write_table(table, row_group_size=INDEX_GROUP_ROWS)


def _provenance(
    plan: dict[str, object], made: dict[str, object], unfilled: list[str]
) -> dict[str, object]:
    """Return how the release came to be."""
    return {
        "notice": NOT_FOR_CLINICAL_USE,
        "licence": "CC-BY-4.0",
        "plan": plan,
        "made": made,
        "unfilled": unfilled,
        "tools": {"python": platform.python_version()} | {name: version(name) for name in _TOOLS},
    }
