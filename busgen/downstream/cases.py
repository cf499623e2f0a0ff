"""Real patients, by data set and split, as square crops that can be named and measured in mm.

In: what `busgen real --out` wrote. Out: `Cases` in memory, or in a folder that other processes
map; their fingerprint, which decides whether a run must be repeated.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from busgen.errors import DataError
from busgen.io import read_json, replacing_folder, sha256_array, sha256_bytes
from busgen.real.cohort import PICTURES, canonical_tables, cohort_file, load_cohort, real_rows
from busgen.real.crops import PIXELS, Crops, crop_of, load_crops, save_crops, square_of, undisputed


@dataclass(frozen=True)
class Cases:
    """Crops with `ids` (N,) text and `pixel_mm` (N,), side of a crop's pixel, NaN if unknown."""

    crops: Crops
    ids: NDArray[np.str_]
    pixel_mm: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.crops)

    def pick(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Cases":
        """Return the chosen rows, by a mask or by numbers."""
        return Cases(self.crops.pick(chosen), self.ids[chosen], self.pixel_mm[chosen])

    @cached_property
    def fingerprint(self) -> str:
        """Hex SHA-256 of pixels, labels, patients, names: all that decides what is learned."""
        own = vars(self.crops)
        words = [" ".join(map(str, values)) for key, values in own.items() if key not in PIXELS]
        parts = [sha256_array(own[key]) for key in PIXELS] + words
        parts += [" ".join(self.ids), " ".join(map(str, self.pixel_mm))]
        return sha256_bytes("\n".join(parts).encode())


def datasets_in(folder: Path) -> list[str]:
    """Return the names of the data sets in a folder of real data; `UserError` if there is none."""
    return [table.parent.name for table in canonical_tables(folder)]


def may_ship(folder: Path, name: str) -> bool:
    """Return whether a data set's licence lets weights ship, so that shipped ones learned of it."""
    return bool(read_json(folder / name / "info.json").get("weights_may_ship"))


def read_real(folder: Path, wanted: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Cases]]:
    """Return the cases of data sets in a folder of real data, by split.

    No near-duplicate, no Doppler, no disputed label; a split that is empty is left out.

    Parameters
    ----------
    folder
        What `busgen real --out` wrote.
    wanted
        Data set -> the splits that are wanted.

    Raises
    ------
    UserError
        If the folder holds no real data.
    """
    cohort = load_cohort(cohort_file(folder))
    columns = [*PICTURES, "source_file", "scanner", "pixel_mm"]
    found: dict[str, dict[str, Cases]] = {}
    for table in canonical_tables(folder):
        name = table.parent.name
        rows: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        asked: dict[str, Any] = {"columns": columns, "usable": undisputed}
        own = real_rows([table], cohort, splits=wanted.get(name, ()), **asked)
        with ThreadPoolExecutor() as pool:  # decoders and cv2 release the lock
            for row in pool.map(_cut, own):
                rows[row["split"]].append(row)
        found[name] = {split: stacked(few) for split, few in rows.items()}
    return found


def stacked(rows: Iterable[Mapping[str, Any]]) -> Cases:
    """Return rows with `pixels` (image, mask, ignore), `words` (see `Crops`), id, mm as cases."""
    rows = list(rows)
    if not rows:
        raise DataError("a set must hold pictures", "none", "check its folder")
    pixels = (np.stack(stack) for stack in zip(*(row["pixels"] for row in rows), strict=True))
    words = np.array([row["words"] for row in rows], np.str_).T
    ids = np.array([row["id"] for row in rows], np.str_)
    return Cases(Crops(*pixels, *words), ids, np.array([row["mm"] for row in rows], np.float64))


def joined(parts: Sequence[Crops]) -> Crops:
    """Return the crops of several sets as one."""
    names = Crops.__annotations__
    return Crops(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in names})


def joined_cases(parts: Sequence[Cases]) -> Cases:
    """Return several sets of cases as one."""
    rows = ([vars(part)[name] for part in parts] for name in ("ids", "pixel_mm"))
    return Cases(joined([part.crops for part in parts]), *(np.concatenate(one) for one in rows))


def save_cases(cases: Cases, folder: Path) -> None:
    """Write cases for processes that map them, unless they are there."""
    if folder.is_dir():
        return
    with replacing_folder(folder) as partial:
        save_crops(cases.crops, partial / "crops")
        np.savez(partial / "rows.npz", ids=cases.ids, pixel_mm=cases.pixel_mm)


def load_cases(folder: Path) -> Cases:
    """Return what `save_cases` wrote; pixels stay in their file until they are looked at."""
    with np.load(folder / "rows.npz") as rows:
        return Cases(load_crops(folder / "crops"), rows["ids"], rows["pixel_mm"])


def _cut(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a canonical row's crop; its pixel is larger than the published one by the scale."""
    known = row["pixel_mm"] is not None and row["mask"] is not None
    words = (row["dataset"], row["scanner"] or row["dataset"], row["pathology"] or "")
    return {
        "pixels": crop_of(row),
        "words": (*words, row["cluster_id"]),
        "id": row["sample_id"],
        "split": row["split"],
        "mm": row["pixel_mm"] * square_of(row).scale if known else nan,
    }
