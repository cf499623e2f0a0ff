"""Prepare: public datasets as published -> canonical folders, cohort and cleaning, in one go.

In: folders as published. Out: NAME/ for each dataset and cohort/. What has not changed since the
last time (names, sizes and times of the files, code, libraries) is left as it is.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from busgen import schema
from busgen.code import code_sha256
from busgen.errors import UserError
from busgen.imaging.overlays.strokes import WEIGHTS
from busgen.io import dumps, read_json, sha256_bytes, sha256_file, write_text
from busgen.real.cleaning import CLEANING, write_cohort
from busgen.real.cohort import FILE
from busgen.real.readers.registry import (
    INFO,
    LEFT_OUT,
    READERS,
    TABLE,
    list_dataset,
    write_canonical,
)

STATE = "inputs.json"  # fingerprint of what each folder was made from
LIBRARIES = ("numpy", "opencv-python-headless", "scipy", "scikit-image", "pyarrow", "pillow")


def prepare(
    datasets: Mapping[str, Path], out: Path, tick: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Write canonical folders and cohort of `datasets` (name -> folder) below `out`.

    Returns
    -------
    What `busgen.real.cleaning.cleaning` tells. `tick` is called with numbers of images read.

    Raises
    ------
    UserError
        If there is no such dataset or folder, or `out` holds something else by these names.
    DataError
        If a dataset is not what its publisher released.
    """
    state, code = _state(out), _code()
    now: dict[str, str] = {}
    for name in sorted(datasets, key=schema.DATASETS.index):
        now[name] = sha256_bytes(dumps([code, fingerprint(datasets[name])]).encode())
        if state.get(name) != now[name] or not _whole(out / name, (TABLE, INFO, LEFT_OUT)):
            write_canonical(name, datasets[name], out / name, tick)
            write_text(out / STATE, dumps(state | now))
    now["cohort"] = sha256_bytes(dumps(now).encode())
    if state.get("cohort") == now["cohort"] and _whole(out / "cohort", (FILE, CLEANING)):
        return read_json(out / "cohort" / CLEANING)
    told = write_cohort([out / name / TABLE for name in now if name != "cohort"], out / "cohort")
    write_text(out / STATE, dumps(state | now))
    return told


def parse_datasets(words: Sequence[str]) -> dict[str, Path]:
    """Return the command line's words NAME=PATH as name -> folder; `UserError` if they are none."""
    datasets: dict[str, Path] = {}
    for word in words:
        name, _, path = word.partition("=")
        if not path or name not in READERS or name in datasets:
            remedy = f"once each of {', '.join(READERS)}"
            raise UserError("a dataset must be NAME=PATH", repr(word), remedy)
        datasets[name] = Path(path)
    return datasets


def images(datasets: Mapping[str, Path]) -> int:
    """Return how many images `datasets` list; raises as `readers.registry.list_dataset` does."""
    return sum(len(list_dataset(name, path).entries) for name, path in datasets.items())


def fingerprint(folder: Path) -> list[tuple[str, int, int]]:
    """Return name, size in bytes and time of change in ns of every file below `folder`, sorted."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    stats = [(path.relative_to(folder).as_posix(), path.stat()) for path in files]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def _state(out: Path) -> dict[str, Any]:
    return read_json(out / STATE) if (out / STATE).is_file() else {}


def _whole(folder: Path, names: tuple[str, ...]) -> bool:
    return all((folder / name).is_file() for name in names)


def _code() -> list[str]:
    """Return what decides the canonical form besides the data: sources, weights, libraries."""
    own = [code_sha256(__name__), sha256_file(WEIGHTS)]
    return own + [f"{name} {version(name)}" for name in LIBRARIES]
