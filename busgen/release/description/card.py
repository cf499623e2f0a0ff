"""What a release says of itself, in numbers and words: facts, card, data dictionary, licence.

In: an index. Out: counts by split, class and reason, for provenance and comparison too; Markdown.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from busgen import NOT_FOR_CLINICAL_USE, schema
from busgen.io import read_json
from busgen.real.readers.registry import ORIGINS
from busgen.release import sql
from busgen.release.files import SPLITS
from busgen.templates import card_of

LICENCE_URL = "https://creativecommons.org/licenses/by/4.0/"
LICENCE_TEXT = (Path(__file__).parent / "licence.md").read_text(encoding="utf-8")
_SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"))  # the hub's


@dataclass(frozen=True)
class Facts:
    """Numbers of samples (`n`), their families, attempts and families given up.

    A sample that no field varies is a family of its own. `counts` are samples by split and class.
    `reasons` are those of rejected attempts, the most frequent first; `splits` those with samples.
    """

    n: int
    families: int
    attempts: int
    unfilled: int
    splits: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    reasons: tuple[tuple[str, int], ...]


def gather(index: Path, unfilled: int) -> Facts:
    """Return the facts of an index, of whose plan `unfilled` families were given up."""
    with sql.connect() as connection:
        table = sql.from_parquet(index)
        classes = connection.execute(
            f"SELECT split, pathology, count(*) FROM {table} WHERE accepted GROUP BY ALL"
        ).fetchall()
        families = sql.first_row(
            connection, f"SELECT count(DISTINCT family_id) FROM {table} WHERE accepted"
        )[0]
        reasons = connection.execute(
            f"SELECT reason, count(*) AS n FROM {table} WHERE NOT accepted "
            "GROUP BY ALL ORDER BY n DESC, reason"
        ).fetchall()
    found = {(split, pathology): int(count) for split, pathology, count in classes}
    splits = tuple(s for s in SPLITS if any(split == s for split, _ in found))
    n = sum(found.values())
    return Facts(
        n=n,
        families=int(families),
        attempts=n + sum(int(count) for _, count in reasons),
        unfilled=unfilled,
        splits=splits,
        counts={s: {p: found.get((s, p), 0) for p in schema.PATHOLOGIES} for s in splits},
        reasons=tuple((str(reason), int(count)) for reason, count in reasons),
    )


def write_card(
    facts: Facts, plan: dict[str, object], title: str, limits: Mapping[str, Any] | None = None
) -> str:
    """Return the dataset card with Hugging Face front matter.

    `facts`: what `gather` returns; `plan`: the resolved plan of the candidates; `limits`: what was
    measured says of the limits, None where nothing was.
    """
    return card_of(Path(__file__).parent).render(
        **asdict(facts),
        plan=plan,
        sources=list_sources(plan),
        limits=limits,
        title=title,
        banner=NOT_FOR_CLINICAL_USE,
        pathologies=schema.PATHOLOGIES,
        features=list(map(_to_feature, schema.columns("release"))),
        size_px=plan["size_px"],
        size_category=next((word for bound, word in _SIZES if facts.n < bound), "n>1M"),
    )


def _to_feature(column: schema.Column) -> dict[str, object]:
    """Return a column's type as `datasets` reads it in a card: strings stay strings in Parquet."""
    if column.name == "pathology":
        names = {str(number): name for number, name in enumerate(schema.PATHOLOGIES)}
        return {"name": column.name, "dtype": {"class_label": {"names": names}}}
    listed = pa.types.is_list(column.type)
    kind = column.type.value_type if listed else column.type
    names = {schema.REALS: "float64", schema.IMAGE: "image"}
    return {"name": column.name, "list" if listed else "dtype": names.get(kind, str(kind))}


def list_sources(plan: dict[str, object]) -> list[dict[str, object]]:
    """Return name, parts that learned from it, citation and licence of each dataset."""
    parts: dict[str, list[str]] = {}
    for part, names in dict(plan.get("learned_from") or {}).items():  # type: ignore[call-overload]
        for name in names:
            parts.setdefault(name, []).append(part)
    unknown = {"citation": "not stated with the weights", "licence": "not stated", "doi": ""}
    known = read_json(ORIGINS)
    return [
        {"name": name, "parts": ", ".join(own)} | known.get(name, unknown)
        for name, own in sorted(parts.items())
    ]


def write_dictionary() -> str:
    """Return the data dictionary: every column of index and data files, from the schema."""
    head = (
        f"# Data dictionary\n\n{NOT_FOR_CLINICAL_USE}\n\n"
        "`data/*.parquet` holds accepted samples, `index.parquet` every attempt without images.\n"
        "Null means unknown or not applicable; `none` means absent.\n\n"
        "| column | type | unit | values or range | null | from | meaning |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(map(_to_line, schema.columns("release")))


def _to_line(column: schema.Column) -> str:
    allowed = ", ".join(column.values or ())
    if column.range is not None:
        allowed = f"{column.range[0]:g} to {column.range[1]:g}"
    null = "where normal" if column.lesion else "may be" if column.nullable else "never"
    null += ", or not judged" if column.judged else ""
    kind = "image {bytes, path}" if column.type == schema.IMAGE else str(column.type)
    where = "" if "index" in column.tables else " (data files only)"
    cells = (f"`{column.name}`", kind, column.unit, allowed, null, column.source)
    return f"| {' | '.join(cells)} | {column.about}{where} |\n"
