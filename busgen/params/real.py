"""Stage `real`: real datasets to read, and maps of those that no reader knows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from busgen import schema
from busgen.params.base import Section, check, read_yaml

FIELDS = (  # canonical columns that a map may fill; what is measured is not asked
    *("patient_id", "pathology", "birads", "birads_category", "tissue", "shape", "margin"),
    *("echo_pattern", "posterior", "halo", "calcification", "pixel_mm", "scanner", "diagnosis"),
)


class _Cells(Section):
    """A column of the table, and what its cells mean where they are no terms of the lexicon."""

    column: str
    terms: dict[str, str | bool | None] = {}

    @field_validator("terms", mode="before")
    @classmethod
    def _texts(cls, terms: object) -> object:
        if not isinstance(terms, Mapping):
            return terms
        if any(isinstance(key, bool) for key in terms):
            raise ValueError("yes, no, true and false need quotes: YAML reads them as booleans")
        return {str(key): value for key, value in terms.items()}


class DatasetMap(Section):
    """What is where in a dataset.

    `images`: glob of its images below the folder; `masks`: where an image's masks are, with
    ``{parent}``, ``{name}`` and ``{stem}`` of the image, a glob; by default masks are told by
    their names. `table`: a CSV or xlsx whose column `file` names images, by path, name or stem.
    `columns`: canonical column -> column of the table; `folders`: canonical column -> folder on an
    image's path -> term; `stated`: canonical column -> what holds for all images. `licence` and
    `citation` stand in all that is learned from it; weights and pixels are shared only where
    `weights_may_ship` and `pixels_may_show` say so.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    licence: str = Field(min_length=1)
    citation: str = "not published"
    doi: str = ""
    weights_may_ship: bool = False
    pixels_may_show: bool = False
    images: str = "**/*"
    masks: str | None = None
    table: str | None = None
    file: str | None = None
    columns: dict[str, _Cells] = {}
    folders: dict[str, dict[str, str]] = {}
    stated: dict[str, Any] = {}

    @field_validator("columns", mode="before")
    @classmethod
    def _short(cls, columns: object) -> object:
        if not isinstance(columns, Mapping):
            return columns
        return {k: {"column": v} if isinstance(v, str) else v for k, v in columns.items()}

    @field_validator("images", "masks", "table")
    @classmethod
    def _inside(cls, place: str | None) -> str | None:
        if place is not None and (
            not place or Path(place).is_absolute() or ".." in Path(place).parts
        ):
            raise ValueError("images, masks and table must lie in the dataset's folder")
        return place

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.name in schema.DATASETS:
            raise ValueError(f"{self.name} is read without a map: choose another name")
        for name in (*self.columns, *self.folders, *self.stated):
            if name not in FIELDS:
                raise ValueError(f"{name} is no column to fill: choose from {', '.join(FIELDS)}")
        if (self.columns or self.file) and not (self.table and self.file):
            raise ValueError("columns need a table and the name of its column of files")
        return self


class RealParams(Section):
    """Stage `real`: real datasets to read, name -> folder.

    `maps`: of those that are not read as published, name -> map (`busgen real --guess` proposes
    one).
    """

    datasets: dict[str, Path] = {}
    maps: dict[str, DatasetMap] = {}

    @field_validator("maps")
    @classmethod
    def _own(cls, maps: dict[str, DatasetMap]) -> dict[str, DatasetMap]:
        for name, given in maps.items():
            if given.name != name:
                raise ValueError(f"the map of {name} must be named so, got {given.name}")
        return maps


def load_map(path: Path) -> DatasetMap:
    """Return the map in a YAML file; `UserError` names the line or the key that is wrong."""
    return check(DatasetMap, read_yaml(path), str(path))
