"""What a column is, and in which tables it stands."""

from dataclasses import dataclass, field

import pyarrow as pa

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@dataclass(frozen=True)
class Column:
    """One column: `tables` names where it stands (`index`, `release`, `real`)."""

    name: str
    type: pa.DataType
    about: str
    source: str
    tables: frozenset[str]
    unit: str = ""
    values: tuple[str, ...] | None = None
    range: tuple[float, float] | None = None
    nullable: bool = False
    lesion: bool = field(default=False)  # null exactly where pathology is normal
    unstated: bool = field(default=False)  # null in real tables where the publisher is silent
    judged: bool = field(default=False)  # null too where no judges were asked


ALL = frozenset({"index", "release", "real"})
MADE = frozenset({"index", "release"})
INDEX, RELEASE, REAL = frozenset({"index"}), frozenset({"release"}), frozenset({"real"})
TEXT, REALS, INT = pa.string(), pa.float64(), pa.int64()
