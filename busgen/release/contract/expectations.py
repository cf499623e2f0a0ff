"""The contract of an index, checked by Great Expectations, and its data docs without a network.

In: an index (one row an attempt) and its plan. Out: a `Report`, one `Check` an expectation, and the
page that Great Expectations renders of it, a section a column, without clock time. DuckDB
counts the rows that break each rule, Great Expectations judges the counts: 172 expectations on a
million rows take 1.6 s on two cores. Given the rows themselves as pandas, it takes 2.6 s to read
and 10.8 s to check 52 of them.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow.parquet as pq

from busgen import NOT_FOR_CLINICAL_USE, schema
from busgen.errors import DataError
from busgen.release import sql
from busgen.release.contract import rules
from busgen.release.contract.rules import Rule, share_rules

EXAMPLES, EXAMPLE_CHARS = 5, 60
_REMEDY = "mend what made it; nothing was released"
_TABLES = {  # what the rows of a rule are
    "row": "attempts",
    "sample": f"({rules.SAMPLES})",
    "family": f"({rules.FAMILIES})",
}
# what asks for the network, or works by what was asked for: styles, scripts, logo, newsletter
_REMOTE = (
    r"<link\b[^>]*>",
    r"<style\b.*?</style>",
    r"<script\b.*?</script>",
    r"<img\b[^>]*>",
    r"<footer>.*?</footer>",
    r"</?a\b[^>]*>",
    r"<title>.*?</title>",
    r'\s(?:onclick|data-toggle|data-target)="[^"]*"',
)
_ICON = r'<i\b[^>]*class="[^"]*text-(success|danger)[^"]*"[^>]*>\s*</i>'
_MARKS = {"success": "holds", "danger": "broken"}
_TITLE = "The contract, checked by Great Expectations"
_INTRO = (
    "Each line is one expectation on a column of index.parquet; its observed value is the number "
    "of rows, samples, families or terms that break it. A release that breaks any is not written."
)
STYLE = Path(__file__).with_name("data_docs.css").read_text(encoding="utf-8")


class Check(NamedTuple):
    """One expectation: its rule, on which column, how many rows (samples) break it, and which."""

    expectation: str
    column: str
    success: bool
    unexpected_count: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """All expectations on one index; `outcome` is Great Expectations' own record of them."""

    checks: tuple[Check, ...]
    outcome: object = field(compare=False, repr=False)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The expectations that do not hold."""
        return tuple(check for check in self.checks if not check.success)


def validate(path: Path, plan: Mapping[str, Any] | None = None) -> Report:
    """Return how the index at `path` keeps the contract of the schema, by Great Expectations.

    With the record of its plan, the shares of what was drawn are held against the plan's prior too.
    """
    types = _count_types(path)
    if any(types.values()):  # the other rules need the columns
        return _judge(types, lambda rule: ())
    with sql.connect() as connection:
        connection.execute(f"CREATE VIEW attempts AS SELECT * FROM {sql.from_parquet(path)}")
        shares = share_rules(connection, plan) if plan and "prior" in plan else {}
        counts = types | _count(connection) | {rule: len(off) for rule, off in shares.items()}
        return _judge(counts, lambda rule: shares.get(rule) or _examples(connection, rule))


def require_index(path: Path, plan: Mapping[str, Any] | None = None) -> None:
    """Raise `DataError` naming rule, count and first examples if the contract is broken."""
    for check in validate(path, plan).failures:
        where = f" (first: {', '.join(check.examples)})" if check.examples else ""
        rule, got = f"{check.column} must be: {check.expectation}", f"{check.unexpected_count} not"
        raise DataError(rule, got + where, _REMEDY)


def require_types(path: Path) -> None:
    """Raise `DataError` if a column of the index is missing or of another type."""
    for rule, wrong in _count_types(path).items():
        if wrong:
            raise DataError(f"{rule.column} must be: {rule.about}", "another or none", _REMEDY)


def _count_types(path: Path) -> dict[Rule, int]:
    """Return, for each column of the schema, 1 where it is missing or of another type."""
    try:
        found = pq.read_schema(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} must be a Parquet file", error, f"check {path}") from error
    # whatever a list's items are called
    types = {f.name: str(f.type).replace("element:", "item:") for f in found}
    return {
        Rule(c.name, f"of type {c.type}", ""): int(types.get(c.name) != str(c.type))
        for c in schema.columns("index")
    }


def _count(connection: sql.Connection) -> dict[Rule, int]:
    """Return how many rows, samples or families break each rule."""
    counts: dict[Rule, int] = {}
    for own, table in (
        ((*rules.COLUMN_RULES, *rules.ROW_RULES), _TABLES["row"]),
        (rules.SAMPLE_RULES, _TABLES["sample"]),
        (rules.FAMILY_RULES, _TABLES["family"]),
    ):
        # three times as fast as count(*) FILTER; null where there is no row or none decides
        terms = ", ".join(f"coalesce(count_if({rule.broken}), 0)" for rule in own)
        row = sql.first_row(connection, f"SELECT {terms} FROM {table}")
        counts |= dict(zip(own, row, strict=True))
    counts[rules.SOME] = sql.first_row(
        connection, "SELECT count(*) FILTER (WHERE accepted) = 0 FROM attempts"
    )[0]
    return counts


def _examples(connection: sql.Connection, rule: Rule) -> tuple[str, ...]:
    """Return the first few samples (families) that break a rule."""
    if rule.over not in _TABLES:
        return ()
    table, name = _TABLES[rule.over], "family_id" if rule.over == "family" else "sample_id"
    query = f"SELECT {name} FROM {table} WHERE {rule.broken} ORDER BY ALL LIMIT {EXAMPLES}"
    return tuple(str(row[0])[:EXAMPLE_CHARS] for row in connection.execute(query).fetchall())


def _judge(counts: dict[Rule, int], examples: Callable[[Rule], tuple[str, ...]]) -> Report:
    """Let Great Expectations judge the table rule -> rows that break it: at most 0 may."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx

    expectations = [
        gx.expectations.ExpectColumnMaxToBeBetween(
            column=rule.key,
            max_value=0,
            description=f"{rule.about} (every {rule.over})",
            meta={"broken_where": rule.broken, "over": rule.over},
        )
        for rule in counts
    ]
    suite = gx.ExpectationSuite(name="busgen_index", expectations=expectations)
    frame = pd.DataFrame({rule.key: [count] for rule, count in counts.items()})
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("busgen").add_dataframe_asset("violations")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    outcome = batch.validate(suite, result_format="BASIC")
    held = {one.expectation_config.kwargs["column"]: one.success for one in outcome.results}
    columns = {rule.key: rule.column for rule in counts}
    for one in outcome.results:  # judged under names of their own, told under their column's
        kwargs = one.expectation_config.kwargs
        kwargs["column"] = columns[kwargs["column"]]
    return Report(
        tuple(
            Check(rule.about, rule.column, held[rule.key], count, examples(rule) if count else ())
            for rule, count in counts.items()
        ),
        outcome,
    )


def to_html(report: Report) -> str:
    """Return the page; what broke an expectation is counted as its observed value.

    A style of ours stands in the place of all that the page would load.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    document = ValidationResultsPageRenderer(run_info_at_end=True).render(report.outcome)
    document.sections = document.sections[:-1]  # when and on which machine it ran
    page: str = DefaultJinjaPageView().render(document)
    for pattern in _REMOTE:
        page = re.sub(pattern, "", page, flags=re.S)
    page = re.sub(_ICON, lambda icon: f'<b class="{icon[1]}">{_MARKS[icon[1]]}</b>', page)
    head = f'<title>{_TITLE}</title><style>{STYLE}</style><link rel="icon" href="data:,">'
    page = page.replace("</head>", f"{head}</head>")
    page = page.replace("<html>", '<html lang="en">', 1)
    top = f'<div class="notice" role="note">{NOT_FOR_CLINICAL_USE}</div>'
    top += f'<header class="container"><h1>{_TITLE}</h1><p>{_INTRO}</p></header>'
    return re.sub(r"<body\b[^>]*>", lambda found: found[0] + top, page, count=1)
