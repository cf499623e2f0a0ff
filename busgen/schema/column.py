"""What a column is, and in which tables it stands."""

from dataclasses import dataclass

import pyarrow as pa

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


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


ALL = frozenset({"index", "release", "real"})
MADE, RELEASE, REAL = frozenset({"index", "release"}), frozenset({"release"}), frozenset({"real"})
TEXT, REALS, INT, TEXTS = pa.string(), pa.float64(), pa.int64(), pa.list_(pa.string())
