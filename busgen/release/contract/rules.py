"""The rules of an index, derived from the one schema: each a condition that no row may meet.

In: `busgen.schema`; for the distribution of what was drawn, an index and the record of its plan.
Out: `Rule`s, whose `broken` is SQL over a row of the index (or, for rules on
sets, over one row a sample or a family, see `SAMPLES` and `FAMILIES`).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from busgen import schema
from busgen.io import read_toml
from busgen.priors.draw import strata
from busgen.priors.network import make_prior
from busgen.priors.plan import marginals
from busgen.priors.request import parse_request
from busgen.release import sql
from busgen.schema import Column

# a share is off where chance gives one as far away this seldom: of some 50 shares of a release,
# one in 20,000 releases would be stopped by chance alone
RARE = 1e-6
IDS, MOST_CHARS = ("sample_id", "family_id", "duplicate_of"), 1000
_LISTED = read_toml(Path(__file__).with_suffix(".toml"))
ABOUT = "shares that the prior gives under the request, within sampling noise"


class Rule(NamedTuple):
    """`broken` is SQL that is true where the rule is broken, `over` what its rows are.

    Rules over the ``set`` or a ``term`` are counted otherwise and have none.
    """

    column: str
    about: str
    broken: str
    over: str = "row"

    @property
    def key(self) -> str:
        """Return the rule's name."""
        return f"{self.column}: {self.about}"


def _of_column(column: Column) -> Iterator[Rule]:
    """Yield the rules on a single column: null or not, terms, ranges, hashes."""
    name = sql.quote_name(column.name)
    if not column.nullable:
        yield Rule(column.name, "not null", f"{name} IS NULL")
    if column.lesion:
        yield from _of_lesion_column(column, name)
    if column.values is not None:
        yield Rule(column.name, "in the lexicon", _outside_terms(column, name))
    if column.range is not None:
        low, high = column.range
        about = f"between {low:g} and {high:g}" + (f" {column.unit}" if column.unit else "")
        yield Rule(column.name, about, _outside_range(column, name, low, high))
    if column.name.endswith("sha256"):
        broken = f"NOT regexp_full_match({name}, '[0-9a-f]{{64}}')"
        if column.source == "release":  # repeated: DuckDB trims each value once, which is faster
            broken = f"length({name}) <> 64 OR ltrim({name}, '0123456789abcdef') <> ''"
        yield Rule(column.name, "64 hexadecimal digits", broken)
    elif column.type in (schema.TEXT, schema.TEXTS) and column.values is None:
        yield from _of_text_column(column, name)


def _of_text_column(column: Column, name: str) -> Iterator[Rule]:
    """Yield the rules on free texts and ids: what neither a disk, spreadsheet nor screen obeys."""
    if column.name in IDS:
        broken = f"NOT regexp_full_match({name}, '{schema.ID}')"
        yield Rule(column.name, schema.ID_ABOUT, broken)
        return
    plain = f"regexp_full_match({{}}, '[\\pL\\pN][^\\pC]*') AND length({{}}) <= {MOST_CHARS}"
    one = plain.format(name, name)
    if pa.types.is_list(column.type):
        one = f"len(list_filter({name}, lambda t: {plain.format('t', 't')})) = len({name})"
    about = f"at most {MOST_CHARS} characters that print, the first a letter or digit"
    yield Rule(column.name, about, f"NOT ({one})")


def _of_lesion_column(column: Column, name: str) -> Iterator[Rule]:
    """Yield: null exactly where normal; what is measured may be otherwise where rejected.

    What judges score is null too where none were asked.
    """
    request = "" if column.source == "finding" else "accepted AND "
    rules = (
        ("null where normal", "pathology = 'normal'", f"{name} IS NOT NULL"),
        ("not null where a lesion is", "pathology <> 'normal'", f"{name} IS NULL"),
    )
    for about, pathology, broken in rules[:1] if column.judged else rules:
        yield Rule(column.name, about, f"{request}{pathology} AND {broken}")


def _outside_terms(column: Column, name: str) -> str:
    values = ", ".join(map(sql.quote_text, column.values or ()))
    if pa.types.is_list(column.type):
        known = f"len(list_filter({name}, lambda term: term IN ({values})))"
        return f"len({name}) = 0 OR {known} <> len({name})"
    return f"{name} NOT IN ({values})"


def _outside_range(column: Column, name: str, low: float, high: float) -> str:
    """Ask for NaN by name: Parquet's statistics leave it out, and DuckDB believes them.

    A rejected attempt may have measured NaN.
    """
    outside = f"NOT ({name} BETWEEN {low!r} AND {high!r})"
    if not pa.types.is_floating(column.type):
        return outside
    lost = f"isnan({name})" + (" AND accepted" if column.source in ("mask", "gate") else "")
    return f"({outside} AND NOT isnan({name})) OR ({lost})"


_LEXICON_ORDER = " || ".join(
    f"(CASE WHEN list_contains(margin, {sql.quote_text(term)}) "
    f"THEN {sql.quote_text(term + ' ')} ELSE '' END)"
    for term in schema.MARGINS
)


def _listed(over: str) -> tuple[Rule, ...]:
    """Return the rules over a ``row``, ``sample`` or ``family`` that `rules.toml` lists."""
    return tuple(
        Rule(column, about, broken.replace("{lexicon_order}", _LEXICON_ORDER), over)
        for column, about, broken in _LISTED[over]
    )


COLUMN_RULES = tuple(r for column in schema.columns("index") for r in _of_column(column))
ROW_RULES = _listed("row")
SAMPLE_RULES = _listed("sample")
FAMILY_RULES = _listed("family")
SOME = Rule("accepted", "at least one accepted", "", "set")


# SQL that hashes what an attempt may not change: the finding but for its seed
_FINDING = [c.name for c in schema.columns("index") if c.source == "finding" and c.name != "seed"]
_HASH = f"hash({', '.join(map(sql.quote_name, _FINDING))})"


FAMILIES: str = _LISTED["families"]
SAMPLES: str = _LISTED["samples"].replace("{hash}", _HASH)


def share_rules(connection: sql.Connection, plan: Mapping[str, Any]) -> dict[Rule, tuple[str, ...]]:
    """Return for each field that the plan's prior gives the terms whose share is off.

    Counted are findings as they were first drawn, of a counterfactual family one: what gates
    then leave unfilled is bounded by the plan's ``max_unfilled``. The field that a family varies
    has no share.

    `connection`: has the index as the view ``attempts``; `plan`: record of a plan with ``prior``,
    ``where``, ``text``, ``targets`` and ``vary``.
    """
    request = parse_request(tuple(plan["where"]), plan["text"], plan["targets"])
    prior = make_prior(plan["prior"])
    groups = strata(prior, request, plan.get("counts") or {}, plan.get("n") or 1)
    requested = marginals(prior, groups)
    fields = {name: shares for name, shares in requested.items() if shares and name != plan["vary"]}
    return {
        Rule(name, ABOUT, "", "term"): tuple(_off(connection, name, shares))
        for name, shares in fields.items()
    }


def _off(connection: sql.Connection, field: str, shares: Mapping[str, float]) -> Iterator[str]:
    """Yield the terms of `field` whose count among the findings drawn is off, with their shares."""
    from scipy.stats import binomtest

    name = sql.quote_name(field)
    term = {"margin": f"unnest({name})", "halo": f"if({name}, 'yes', 'no')"}.get(field, name)
    drawn = f"""
        SELECT any_value({name}) AS {name} FROM attempts
        WHERE attempt = 0 AND {name} IS NOT NULL GROUP BY family_id"""
    total = sql.first_row(connection, f"SELECT count(*) FROM ({drawn})")[0]
    query = f"SELECT term, count(*) FROM (SELECT {term} AS term FROM ({drawn})) GROUP BY term"
    counts = {str(key): int(n) for key, n in connection.execute(query).fetchall()}
    for term, share in shares.items() if total else ():
        count = counts.get(term, 0)
        if binomtest(count, total, min(max(share, 0.0), 1.0)).pvalue < RARE:
            yield f"{term} {count / total:.3f} for {share:.3f}"
