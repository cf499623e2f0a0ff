"""What a release says of itself, in numbers and words: facts, card, data dictionary, licence.

In: an index, its folder, the plan. Out: counts by split, class and reason, for provenance and
comparison too; Markdown; Croissant 1.1, JSON-LD that machines read, with the vocabulary of
responsible AI (http://mlcommons.org/croissant/1.1, http://mlcommons.org/croissant/RAI/1.0).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from busgen import NOT_FOR_CLINICAL_USE, __version__, schema
from busgen.io import read_json, sha256_file
from busgen.real.readers.registry import ORIGINS
from busgen.release import sql
from busgen.release.files import DATA, INDEX, SPLITS, find_files
from busgen.templates import card_of

LICENCE_URL = "https://creativecommons.org/licenses/by/4.0/"
LICENCE_TEXT = (Path(__file__).parent / "licence.md").read_text(encoding="utf-8")
_SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"))  # the hub's
_CONTEXT = Path(__file__).with_name("croissant_context.json")
_RESPONSIBLE = Path(__file__).with_name("croissant_rai.json")
_PARQUET = "application/x-parquet"
_TYPES = {
    schema.TEXT: "sc:Text",
    schema.REALS: "sc:Float",
    schema.INT: "sc:Integer",
    pa.bool_(): "sc:Boolean",
    schema.IMAGE: "sc:ImageObject",
}


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
        size_px=plan["size_px"],
        size_category=next((word for bound, word in _SIZES if facts.n < bound), "n>1M"),
    )


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


def describe(folder: Path, title: str, plan: dict[str, object]) -> dict[str, object]:
    """Return the Croissant description of a release whose Parquet files stand in `folder`.

    `plan`: the resolved plan of the candidates.
    """
    described = [_file(path, folder) for path in (*find_files(folder), folder / INDEX)]
    samples = {
        "@type": "cr:FileSet",
        "@id": "data-files",
        "name": "data-files",
        "description": "accepted samples with image and mask",
        "encodingFormat": _PARQUET,
        "includes": f"{DATA}/*.parquet",
    }
    return {
        "@context": read_json(_CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.1",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": "busgen",
        "alternateName": title,
        "description": f"{NOT_FOR_CLINICAL_USE}. Synthetic breast-ultrasound images with lesion "
        "masks and BI-RADS findings.",
        "license": LICENCE_URL,
        "version": __version__,
        "citeAs": "busgen, a factory for synthetic breast-ultrasound datasets, after "
        "Pan et al. 2025, arXiv:2507.07721",
        "creator": {"@type": "sc:Organization", "name": "busgen"},
        "keywords": ["synthetic", "breast ultrasound", "BI-RADS", "not for clinical use"],
        "isLiveDataset": False,
        "distribution": [samples, *described],
        "recordSet": [
            _record_set("samples", "release", "fileSet", "data-files"),
            _record_set("attempts", "index", "fileObject", INDEX),
        ],
        "rai:dataCollection": _to_origin(plan),
        **read_json(_RESPONSIBLE),
    }


def _to_origin(plan: dict[str, object]) -> str:
    """Return in words what drew the data, and the datasets that it learned from."""
    start = f"Drawn by the engines {plan['mask_engine']} (masks) and {plan['engine']} (images)"
    sources = [f"{one['name']} ({one['parts']}; {one['licence']})" for one in list_sources(plan)]
    return f"{start}, which learned from {'; '.join(sources) or 'no published image'}."


def _file(path: Path, folder: Path) -> dict[str, object]:
    name = path.relative_to(folder).as_posix()
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": _PARQUET,
        "sha256": sha256_file(path),
    }


def _record_set(name: str, table: str, kind: str, file_id: str) -> dict[str, object]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"one record for each of the {name}",
        "field": [_field(name, column, kind, file_id) for column in schema.columns(table)],
    }


def _field(
    record_set: str, column: schema.Column, source_kind: str, file_id: str
) -> dict[str, object]:
    listed = pa.types.is_list(column.type)
    kind = column.type.value_type if listed else column.type
    source: dict[str, object] = {source_kind: {"@id": file_id}}
    source["extract"] = {"column": column.name}
    if kind == schema.IMAGE:
        source["transform"] = {"jsonPath": "bytes"}
    field = {
        "@type": "cr:Field",
        "@id": f"{record_set}/{column.name}",
        "name": column.name,
        "description": column.about + (f" ({column.unit})" if column.unit else ""),
        "dataType": _TYPES[kind],
        "source": source,
    }
    return field | ({"isArray": True, "arrayShape": "-1"} if listed else {})
