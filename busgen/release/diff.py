"""Two releases compared: counts, distributions, gates, provenance, identical images.

In: two release folders. Out: a record for JSON, and the same in Markdown.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from busgen import schema
from busgen.io import read_json
from busgen.release import sql
from busgen.release.description.card import Facts, gather
from busgen.release.files import INDEX, PROVENANCE, require_release

_WORDS = tuple(
    c for c in schema.columns("index") if c.values or c.name in ("halo", "scanner", "flags")
)
_NUMBERS = tuple(
    c for c in schema.columns("index") if c.type == schema.REALS or c.name == "attempt"
)


def diff(a: Path, b: Path) -> dict[str, Any]:
    """Return how release `b` differs from release `a`.

    Returns ``counts`` and ``gates`` as ``[a, b]``; ``terms``: per categorical column the total
    variation distance in [0, 1] and the chi-square test's p; ``numbers``: per continuous column the
    Kolmogorov-Smirnov statistic, its p and both means; ``columns``: those that only one of them
    has, of another version of busgen, as ``[a, b]``; ``provenance``: what differs;
    ``identical_images``: images of `a` whose pixels are also in `b`.
    """
    folders = (require_release(a), require_release(b))
    own, other = ({*pq.read_schema(folder / INDEX).names} for folder in folders)
    both = own & other
    records = [read_json(folder / PROVENANCE) for folder in folders]
    generated = [
        gather(folder / INDEX, len(record.get("unfilled", ())))
        for folder, record in zip(folders, records, strict=True)
    ]
    old, new = map(_leaves, records)
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    with sql.connect() as connection:
        for view, folder in zip("ab", folders, strict=True):
            query = f"SELECT * FROM {sql.from_parquet(folder / INDEX)} WHERE accepted"
            connection.execute(f"CREATE VIEW {view} AS {query}")
        same = "SELECT count(DISTINCT image_sha256) FROM a SEMI JOIN b USING (image_sha256)"
        return {
            "counts": _counts(generated),
            "identical_images": sql.first_row(connection, same)[0],
            "gates": _gates(generated),
            "terms": {c.name: _terms(connection, c) for c in _WORDS if c.name in both},
            "numbers": {c.name: _numbers(connection, c.name) for c in _NUMBERS if c.name in both},
            "columns": [sorted(own - other), sorted(other - own)],
            "provenance": {name: [old.get(name), new.get(name)] for name in changed},
        }


def _counts(generated: Sequence[Facts]) -> dict[str, list[int]]:
    """Return numbers of samples, by split and class too, as [a, b]."""
    counts = {
        name: [getattr(m, name) for m in generated]
        for name in ("n", "families", "attempts", "unfilled")
    }
    for split in dict.fromkeys(s for m in generated for s in m.splits):
        for pathology in schema.PATHOLOGIES:
            pair = [m.counts.get(split, {}).get(pathology, 0) for m in generated]
            counts[f"{split} {pathology}"] = pair
    return counts


def _gates(generated: Sequence[Facts]) -> dict[str, Any]:
    """Return acceptance and rejections by reason, as [a, b]."""
    reasons = [dict(m.reasons) for m in generated]
    return {
        "acceptance": [m.n / m.attempts for m in generated],
        "reasons": {
            reason: [r.get(reason, 0) for r in reasons]
            for reason in dict.fromkeys(reason for r in reasons for reason in r)
        },
    }


def _terms(connection: sql.Connection, column: schema.Column) -> dict[str, Any]:
    """Return total variation and chi-square p of one categorical column."""
    from scipy.stats import chi2_contingency

    name = sql.quote_name(column.name)
    word = f"array_to_string({name}, '+')" if pa.types.is_list(column.type) else name
    rows = connection.execute(f"""
        SELECT word, coalesce(a.n, 0), coalesce(b.n, 0)
        FROM (SELECT coalesce({word}::VARCHAR, 'null') AS word, count(*) AS n FROM a GROUP BY 1) a
        FULL JOIN
             (SELECT coalesce({word}::VARCHAR, 'null') AS word, count(*) AS n FROM b GROUP BY 1) b
        USING (word) ORDER BY word""").fetchall()
    counts = np.array([row[1:] for row in rows], float).T
    shares = counts / counts.sum(axis=1, keepdims=True)
    return {
        "total_variation": float(np.abs(shares[0] - shares[1]).sum() / 2),
        "p": float(chi2_contingency(counts).pvalue) if counts.shape[1] > 1 else 1.0,
        "shares": {str(row[0]): shares[:, i].tolist() for i, row in enumerate(rows)},
    }


def _numbers(connection: sql.Connection, name: str) -> dict[str, Any] | None:
    """Return the Kolmogorov-Smirnov test of one continuous column; None where one has no value."""
    from scipy.stats import ks_2samp

    values = [
        connection.sql(f"SELECT {sql.quote_name(name)} AS x FROM {view} WHERE x IS NOT NULL")
        .to_arrow_table()["x"]
        .to_numpy()
        for view in "ab"
    ]
    if not all(len(x) for x in values):
        return None
    test = ks_2samp(values[0], values[1], method="asymp")
    means = [float(x.mean()) for x in values]
    return {"ks": float(test.statistic), "p": float(test.pvalue), "mean": means}


def _leaves(record: object, path: str = "") -> dict[str, Any]:
    """Return the leaves of nested records by dotted path, but for what is counted elsewhere."""
    if not isinstance(record, dict):
        return {path: record}
    found: dict[str, Any] = {}
    for key, value in record.items():
        if path or key not in ("made", "unfilled"):
            found |= _leaves(value, f"{path}.{key}" if path else str(key))
    return found


def to_markdown(found: Mapping[str, Any]) -> str:
    """Return what `diff` found as Markdown tables, the largest differences first."""
    gates = found["gates"]
    terms = sorted(found["terms"].items(), key=lambda item: -item[1]["total_variation"])
    numbers = sorted(
        ((name, test) for name, test in found["numbers"].items() if test),
        key=lambda item: -item[1]["ks"],
    )
    acceptance = [f"{share:.1%}" for share in gates["acceptance"]]
    parts = (
        ("Counts", ("", "a", "b"), [(name, *pair) for name, pair in found["counts"].items()]
         + [("identical images", found["identical_images"], found["identical_images"])]),
        ("Gates", ("", "a", "b"), [("accepted", *acceptance)]
         + [(f"rejected by {name}", *pair) for name, pair in gates["reasons"].items()]),
        ("Terms", ("column", "total variation", "p"),
         [(name, f"{t['total_variation']:.3f}", f"{t['p']:.2g}") for name, t in terms]),
        ("Numbers", ("column", "KS", "p", "mean a", "mean b"),
         [(name, f"{t['ks']:.3f}", f"{t['p']:.2g}", *(f"{m:.4g}" for m in t["mean"]))
          for name, t in numbers]),
        ("Columns of one alone", ("a", "b"),
         [tuple(", ".join(names) for names in found["columns"])] if any(found["columns"]) else []),
        ("Provenance", ("", "a", "b"),
         [(name, *pair) for name, pair in found["provenance"].items()]),
    )  # fmt: skip
    return "\n".join(_table(*part) for part in parts)


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [f"## {title}", ""]
    if not rows:
        return "\n".join([*lines, "no difference", ""])
    lines += [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    cells = ([str(cell).replace("|", "\\|") for cell in row] for row in rows)
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in cells), ""])
