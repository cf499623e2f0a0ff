"""Verify a release bit by bit.

In: a release folder. Out: every `Problem` with the name of its file; none where all is well.
Images are decoded in threads, a row group at a time: memory is bounded whatever n.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from busgen import schema
from busgen.errors import DataError, UserError
from busgen.io import read_json
from busgen.priors import contradictions
from busgen.priors.findings import FIELDS, from_row
from busgen.priors.text.agreement import is_text_of
from busgen.release import files, sql
from busgen.release.contract.expectations import validate
from busgen.release.files import Problem, check_images, find_files, split_name
from busgen.release.rows import arrow_schema


def verify(folder: Path) -> list[Problem]:
    """Return what is wrong with the release `folder`, file by file; an empty list if nothing is.

    Checked: the checksum of every file, missing and extra files; each Parquet file's schema; each
    image decoded strictly, its hash, the mask's values and size; texts against findings; data rows
    against the index; the index against the contract. Any altered byte in any file is named.
    Raises `UserError` if `folder` is no folder, or neither index, provenance nor sums are in it.
    """
    if not any((folder / name).is_file() for name in (files.INDEX, files.PROVENANCE, files.SUMS)):
        got = f"{folder} without any of its files" if folder.is_dir() else f"{folder}, no folder"
        raise UserError("what is verified must be a release folder", got, "name what `--out` named")
    problems = files.check_sums(folder)
    listed = {problem.file for problem in problems}
    problems += [
        Problem(name, "must exist", "no such file")
        for name in files.NAMES
        if name not in listed and not (folder / name).is_file()
    ]
    unreadable = [p for path in find_files(folder) for p in _check_schema(path)]
    problems += unreadable + list(_check_count(folder))
    broken = {problem.file for problem in unreadable}
    for path in find_files(folder):
        if f"{files.DATA}/{path.name}" not in broken:
            problems += _check_rows(path)
    return problems + _check_index(folder, with_data=not broken)


def _check_schema(path: Path) -> Iterator[Problem]:
    """Yield a problem if a data file is no Parquet file of the release schema."""
    name = f"{files.DATA}/{path.name}"
    try:
        found = pq.read_schema(path)
    except (OSError, ValueError) as error:
        yield Problem(name, "must be a readable Parquet file", _shorten(error))
        return
    wanted = arrow_schema()
    if found.names != wanted.names or found.types != wanted.types:
        yield Problem(name, "must have the columns of the schema", ", ".join(found.names))
    elif (found.metadata or {}).get(b"huggingface") != wanted.metadata[b"huggingface"]:
        yield Problem(name, "must type its images for datasets", "other schema metadata")


def _check_count(folder: Path) -> Iterator[Problem]:
    """Yield a problem for each split whose files are not numbered 0 to N - 1 of N."""
    for split in files.SPLITS:
        names = [path.name for path in find_files(folder) if split_name(path) == split]
        wanted = [files.file_name(split, i, len(names)) for i in range(len(names))]
        if names != wanted:
            yield Problem(files.DATA, f"the {split} files must be numbered 0 to N-1 of N",
                          ", ".join(names))  # fmt: skip


def _check_rows(path: Path) -> list[Problem]:
    """Return what is wrong with the images and splits of one data file."""
    name, split = f"{files.DATA}/{path.name}", split_name(path)
    problems: list[Problem] = []
    try:
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            problems += _check_texts(name, table)
            problems += [Problem(name, f"{rule} (sample {sample_id})", got)
                         for sample_id, rule, got in check_images(table)]  # fmt: skip
            others = {str(value) for value in table["split"].unique().to_pylist()} - {split}
            if others:
                rule = f"must hold rows of split {split} only"
                problems.append(Problem(name, rule, ", ".join(sorted(others))))
    except (OSError, ValueError) as error:
        problems.append(Problem(name, "must be a readable Parquet file", _shorten(error)))
    return problems


def _check_texts(name: str, table: pa.Table) -> Iterator[Problem]:
    """Yield a problem for each row whose text is no sentence of its finding."""
    for row in table.select(FIELDS).to_pylist():
        if not is_text_of(from_row(row)):
            rule = f"text must be a sentence of the finding (sample {row['sample_id']})"
            yield Problem(name, rule, repr(row["text"])[:200])


def _check_index(folder: Path, *, with_data: bool) -> list[Problem]:
    """Return where the index breaks the contract, or differs from data files and provenance."""
    index = folder / files.INDEX
    try:
        plan = read_json(folder / files.PROVENANCE).get("plan")
        report = validate(index, plan if isinstance(plan, dict) else None)
        problems = [
            Problem(files.INDEX, f"{check.column} must be {check.expectation}",
                    f"{check.unexpected_count} that are not: {', '.join(check.examples)}")
            for check in report.failures
        ]  # fmt: skip
        if not problems and with_data and find_files(folder):
            problems += _difference(index, find_files(folder))
            problems += _check_provenance(folder)
            problems += check_findings(index)
    except (DataError, sql.Error) as error:
        return [
            Problem(files.INDEX, "must be a readable index that fits the data", _shorten(error))
        ]
    return problems


def _difference(index: Path, data: list[Path]) -> list[Problem]:
    """Return the samples whose row in the data files is not their accepted row in the index."""
    row = f"hash({', '.join(sql.quote_name(column.name) for column in schema.columns('index'))})"
    with sql.connect() as connection:
        found = connection.execute(f"""
            SELECT coalesce(d.sample_id, i.sample_id) AS sample_id
            FROM (SELECT sample_id, {row} AS h FROM {sql.from_parquet(data)}) d
            FULL JOIN (SELECT sample_id, {row} AS h FROM {sql.from_parquet(index)} WHERE accepted) i
            USING (sample_id) WHERE d.h IS DISTINCT FROM i.h ORDER BY 1 LIMIT 5""").fetchall()
        twice = connection.execute(
            f"SELECT sample_id FROM {sql.from_parquet(data)} GROUP BY 1 HAVING count(*) > 1 LIMIT 5"
        ).fetchall()
    rule = "accepted rows must equal the rows of the data files, each once"
    return [Problem(files.INDEX, rule, str(row[0])) for row in (*found, *twice)]


def check_findings(index: Path) -> Iterator[Problem]:
    """Yield a problem for each contradiction that findings hold, counterfactual families left out.

    Their members have terms of one field that no finding was drawn with.
    """
    rules = contradictions.load()
    counts = ", ".join(f"count(*) FILTER (WHERE {_query(rule)})" for rule in rules)
    table = f"{sql.from_parquet(index)} WHERE accepted AND sample_id = family_id"
    with sql.connect() as connection:
        for rule, count in zip(
            rules, sql.first_row(connection, f"SELECT {counts} FROM {table}"), strict=True
        ):
            if count:
                found = f"SELECT sample_id FROM {table} AND {_query(rule)} ORDER BY 1 LIMIT 3"
                names = ", ".join(str(row[0]) for row in connection.execute(found).fetchall())
                yield Problem(files.INDEX, f"must hold no {rule}: {rule.why}", f"{count}: {names}")


def _query(rule: contradictions.Rule) -> str:
    """Return the condition that a row has all of a contradiction's terms."""
    kinds = {"margin": "list_contains(margin, '{1}')", "halo": "{0} = ('{1}' = 'yes')"}
    return " AND ".join(kinds.get(name, "{0} = '{1}'").format(name, t) for name, t in rule.terms)


def _check_provenance(folder: Path) -> list[Problem]:
    """Return a problem if provenance counts other rows than the index holds."""
    try:
        generated = read_json(folder / files.PROVENANCE).get("made")
    except DataError as error:
        return [Problem(files.PROVENANCE, error.rule, str(error.got))]
    stated = generated.get("attempts") if isinstance(generated, dict) else None
    found = pq.read_metadata(folder / files.INDEX).num_rows
    rule = f"must count the {found} attempts of the index"
    return [] if stated == found else [Problem(files.PROVENANCE, rule, str(stated))]


def _shorten(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
