"""One schema: each column of every table once, with type, unit, range, meaning and source.

The Arrow schemas, the Great Expectations suite and the data dictionary derive from `COLUMNS`, which
`columns.toml` lists. Terms are the BI-RADS ultrasound lexicon's (ACR, 5th edition), lower case,
snake_case; the same in command line, params, Parquet and code. Null means unknown or not
applicable, `none` means absent.
"""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from busgen.io import read_toml

TEXT, REALS, INT, TEXTS = pa.string(), pa.float64(), pa.int64(), pa.list_(pa.string())
ID = "[a-z0-9][a-z0-9_-]{0,99}"  # names files: on disks that know no capitals, too
ID_ABOUT = "at most 100 small letters, digits, - and _"
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
TYPES = {"text": TEXT, "real": REALS, "integer": INT, "texts": TEXTS, "image": IMAGE}
TYPES |= {"reals": pa.list_(REALS), "boolean": pa.bool_(), "bytes": pa.binary()}


@dataclass(frozen=True)
class Column:
    """One column: `tables` names where it stands (`index`, `release`, `real`).

    `lesion`: null exactly where pathology is normal; `unstated`: null in real tables where the
    publisher is silent; `judged`: null too where no judges were asked.
    """

    name: str
    type: pa.DataType
    about: str
    source: str
    tables: frozenset[str]
    unit: str = ""
    values: tuple[str, ...] | None = None
    range: tuple[float, float] | None = None
    nullable: bool = False
    lesion: bool = False
    unstated: bool = False
    judged: bool = False


def _read_columns() -> tuple[Column, ...]:
    listed = read_toml(Path(__file__).with_name("columns.toml"))
    columns = []
    for name, own in listed.items():
        tuples = {key: tuple(own[key]) for key in ("values", "range") if key in own}
        typed = {"type": TYPES[own["type"]], "tables": frozenset(own["tables"])}
        columns.append(Column(name, **own | tuples | typed))
    return tuple(columns)


COLUMNS = _read_columns()
BY_NAME = {column.name: column for column in COLUMNS}
JUDGED = tuple(column.name for column in COLUMNS if column.judged)  # scores that judges give


def _terms(name: str) -> tuple[str, ...]:
    return BY_NAME[name].values or ()


PATHOLOGIES = _terms("pathology")
BIRADS = _terms("birads")
BIRADS_CATEGORIES = _terms("birads_category")
TISSUES = _terms("tissue")
SHAPES = _terms("shape")
ORIENTATIONS = _terms("orientation")
MARGINS = _terms("margin")
ECHO_PATTERNS = _terms("echo_pattern")
POSTERIORS = _terms("posterior")
CALCIFICATIONS = _terms("calcification")
SHARING = ("tissue", "echo_pattern", "posterior", "halo", "calcification")  # change no mask
VARIED = (*SHARING, "margin")  # what a counterfactual family may vary
SCANNERS = ("linear_7mhz", "linear_10mhz", "linear_12mhz_compound", "curved_5mhz")  # generic
# real ones; BrEaST and BUSI name none, so that these data sets stand for theirs
DEVICES = ("GE Logiq 5", "GE Logiq 7", "Toshiba Aplio 300", "U-Systems", "BrEaST", "BUSI")
DATASETS = ("breast", "bus_bra", "busi", "bus_uclm", "stu", "udiat")
FLAGS = (  # what cleaning finds in a real image
    "colour_doppler",
    "black_border",
    "sector_field",
    "overlay",
    "no_mask",
    "empty_mask",
    "several_masks",
    "mask_resized",
    "near_duplicate",
    "label_conflict",
)


def scanner_of(published: str | None, dataset: str) -> str:
    """Return a real image's scanner by the name that findings have.

    `published` is as the data set has it, ``"GE Logiq 7 @10-14MHz"``: the frequencies are left
    out. None for one that is not named: the data set stands for it.
    """
    styles = {"breast": "BrEaST", "busi": "BUSI"}
    return published.split(" @")[0] if published else styles.get(dataset, dataset)


def columns(table: str) -> tuple[Column, ...]:
    """Return the columns of `table`: ``"index"``, ``"release"`` or ``"real"``."""
    return tuple(column for column in COLUMNS if table in column.tables)


def arrow_schema(table: str) -> pa.Schema:
    """Return the Arrow schema of `table`: ``"index"``, ``"release"`` or ``"real"``."""
    return pa.schema(
        pa.field(c.name, c.type, c.nullable or (table == "real" and c.unstated))
        for c in columns(table)
    )
