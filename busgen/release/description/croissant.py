"""Croissant 1.1: the dataset's own description that machines read.

In: a release folder with its Parquet files, the plan. Out: JSON-LD, with the vocabulary of
responsible AI (http://mlcommons.org/croissant/1.1, http://mlcommons.org/croissant/RAI/1.0).
"""

from pathlib import Path

import pyarrow as pa

from busgen import NOT_FOR_CLINICAL_USE, __version__, schema
from busgen.io import read_json, sha256_file
from busgen.params.release import ReleaseParams
from busgen.release.description.card import LICENCE_URL, list_sources
from busgen.release.files import DATA, INDEX, find_files

_CONTEXT = Path(__file__).with_name("croissant_context.json")
_SAME = Path(__file__).with_suffix(".json")  # of every release
_PARQUET = "application/x-parquet"
_TYPES = {
    schema.TEXT: "sc:Text",
    schema.REALS: "sc:Float",
    schema.INT: "sc:Integer",
    pa.bool_(): "sc:Boolean",
    schema.IMAGE: "sc:ImageObject",
}


def describe(folder: Path, params: ReleaseParams, plan: dict[str, object]) -> dict[str, object]:
    """Return the Croissant description of a release whose Parquet files stand in `folder`.

    `params`: title and date; `plan`: the resolved plan of the candidates.
    """
    date = params.date_published
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
        "alternateName": params.title,
        "description": f"{NOT_FOR_CLINICAL_USE}. Synthetic breast-ultrasound images with lesion "
        "masks and BI-RADS findings.",
        "license": LICENCE_URL,
        "version": __version__,
        **({"datePublished": date.isoformat()} if date else {}),
        "distribution": [samples, *described],
        "recordSet": [
            _record_set("samples", "release", "fileSet", "data-files"),
            _record_set("attempts", "index", "fileObject", INDEX),
        ],
        "rai:dataCollection": _to_origin(plan),
        **read_json(_SAME),
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
