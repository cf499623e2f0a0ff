"""Square crops of real patients, by split: what models learn from and are measured on.

In: canonical rows. Out: `Crops`, overlays painted out and known by their ignore-masks; which images
may be shown, how, and where a page that holds them may lie.
"""

import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from busgen.arrays import Bools, Floats, Indices, Names, Pixels
from busgen.errors import DataError, UserError
from busgen.folders import write_folder
from busgen.imaging.overlays.find import remove_overlays
from busgen.imaging.square import Square, find_field, square_crop
from busgen.io import decode_png, read_json
from busgen.real.cohort import IMAGES, has_usable_pixels, read_rows
from busgen.schema import scanner_of

SIDE = 256  # of the crops, in pixels
SPLITS = ("train", "validation", "test")
PIXELS = ("images", "masks", "ignore")


@dataclass(frozen=True)
class Crops:
    """Square crops, one a row: `images`, `masks`, `ignore` (N, S, S) uint8, the last two {0, 1}.

    `labels` benign, malignant, normal or empty where unknown; `groups` cluster of patients, what
    splits and bootstraps keep together; all (N,) text.
    """

    images: Pixels
    masks: Pixels
    ignore: Pixels
    datasets: Names
    scanners: Names
    labels: Names
    groups: Names

    def __len__(self) -> int:
        return len(self.images)

    @property
    def is_malignant(self) -> Bools:
        """Whether each is labelled malignant."""
        return np.asarray(self.labels == "malignant")

    @property
    def is_labelled(self) -> Bools:
        """Whether each is a lesion, outlined and known to be benign or malignant."""
        known = np.isin(self.labels, ["benign", "malignant"])
        return np.asarray(known & self.masks.any(axis=(1, 2)))

    def pick(self, chosen: Bools | Indices) -> "Crops":
        """Return the rows that are `chosen`, by a mask or by their numbers in any order."""
        return Crops(**{name: values[chosen] for name, values in vars(self).items()})


def join(parts: Sequence[Crops]) -> Crops:
    """Return several stacks of crops as one."""
    names = Crops.__annotations__
    return Crops(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in names})


def probabilities(crops: Crops, *, labelled: bool) -> Floats:
    """Return each crop's chance to be drawn: scanners by the root of their number, then classes.

    The root lets the scanner with 20 images speak up without repeating them all the time.
    Where `labelled`, benign and malignant are equally likely on every scanner, so that a scanner
    tells nothing of the class; else classes too go by the root of their number.
    """
    weights = np.zeros(len(crops))
    for scanner in np.unique(crops.scanners):
        own = crops.scanners == scanner
        own &= crops.is_labelled if labelled else True
        classes, counts = np.unique(crops.labels[own], return_counts=True)
        parts = np.ones(len(counts)) if labelled else np.sqrt(counts)
        parts *= np.sqrt(own.sum()) / parts.sum()
        for label, count, part in zip(classes, counts, parts, strict=True):
            weights[own & (crops.labels == label)] = part / count
    return np.asarray(weights / weights.sum())


def read_shippable(tables: Sequence[Path], cohort: Path) -> dict[str, Crops]:
    """Return the crops of each split, of the datasets whose licence lets trained weights ship.

    Raises `UserError` if no dataset does; `DataError` if a split has no image.
    """
    ours = [path for path in tables if weights_may_ship(path)]
    if not ours:
        rule = "models that ship need a dataset whose licence lets trained weights ship"
        raise UserError(rule, "none", "name breast, bus_bra or busi in real.datasets")
    return {split: read_crops(ours, cohort, (split,)) for split in SPLITS}


def read_crops(tables: Sequence[Path], cohort: Path, splits: Sequence[str]) -> Crops:
    """Return the crops of `splits`: no near-duplicate, no Doppler, no disputed label."""
    columns = [*IMAGES, "source_file", "scanner"]
    return crop_all(read_rows(tables, cohort, splits=splits, columns=columns, usable=is_undisputed))


def is_undisputed(row: Mapping[str, Any]) -> bool:
    """Return whether an image may teach or test a model; its class may be unknown."""
    return has_usable_pixels(row) and "label_conflict" not in row["flags"]


def weights_may_ship(table: Path) -> bool:
    """Return whether weights trained on the dataset of a canonical table may be published."""
    return bool(read_json(table.parent / "info.json")["weights_may_ship"])


def origin_of(table: Path) -> dict[str, str]:
    """Return how to cite the dataset of a canonical table, and its licence."""
    info = read_json(table.parent / "info.json")
    return {key: info[key] for key in ("citation", "doi", "licence")}


def crop_all(rows: Iterable[Mapping[str, Any]]) -> Crops:
    """Return the square crops of canonical rows, overlays painted out.

    `rows`: canonical rows with `cluster_id`, as `busgen.real.cohort.read_rows` gives them. Raises
    `DataError` if there are no rows, or an image is broken.
    """
    crops, words = [], []
    for row in rows:
        crops.append(crop(row))
        scanner = scanner_of(row["scanner"], row["dataset"])
        words.append((row["dataset"], scanner, row["pathology"] or "", row["cluster_id"]))
    if not crops:
        rule = "models need real images of every split"
        raise DataError(rule, "none of one", "name more datasets in real.datasets")
    images, masks, ignore = (np.stack(stack) for stack in zip(*crops, strict=True))
    return Crops(images, masks, ignore, *np.array(words).T)


def crop(row: Mapping[str, Any]) -> tuple[Pixels, ...]:
    """Return image, mask and ignore-mask of a canonical row as (SIDE, SIDE) uint8 crops."""
    image = decode_png(row["image"]["bytes"], row["source_file"])
    mask, ignore = (
        np.zeros_like(image) if row[name] is None else decode_png(row[name]["bytes"], name)
        for name in ("mask", "ignore")
    )
    field = find_field(image)
    clean = remove_overlays(image, ignore > 0) if ignore.any() else image
    square = square_crop(clean, mask, SIDE, field=field)
    hidden = square_crop(ignore, mask, SIDE, field=field).image
    return square.image, square.mask, (hidden > 0).astype(np.uint8)


def crop_square(row: Mapping[str, Any]) -> Square:
    """Return the crop of a canonical row with a mask as `crop` cuts it, overlays left in."""
    image = decode_png(row["image"]["bytes"], row["source_file"])
    return square_crop(image, decode_png(row["mask"]["bytes"], "mask"), SIDE)


def save_crops(crops: Crops, folder: Path) -> None:
    """Write crops, a file a field, for processes that map them into memory."""
    with write_folder(folder, "crops") as partial:
        for name, values in vars(crops).items():
            np.save(partial / f"{name}.npy", values)


def load_crops(folder: Path) -> Crops:
    """Return what `save_crops` wrote; pixels stay in the file until they are examined."""
    fields = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r" if name in PIXELS else None)
        for name in Crops.__annotations__
    }
    return Crops(**fields)


def may_show(table: Path) -> bool:
    """Return whether the images of a canonical table may be shown at all."""
    return bool(read_json(table.parent / "info.json")["pixels_may_show"])


def display_crop(row: Mapping[str, Any], side: int) -> Square | str:
    """Return the square of a canonical row, `side` px, or why it gives itself away."""
    image, mask = (decode_png(row[name]["bytes"], row["source_file"]) for name in ("image", "mask"))
    field = find_field(image)
    square = square_crop(image, mask, side, field=field)
    if square.padded > 0:
        return "padded"
    if square.scale < 1:
        return "enlarged"
    if row["ignore"] is not None:
        ignore = decode_png(row["ignore"]["bytes"], row["source_file"])
        if square_crop(ignore, mask, side, field=field).image.any():
            return "overlay"
    return square


def require_untracked(file: Path) -> None:
    """Raise `UserError` if `file` lies in a git checkout that does not ignore it."""
    place = file.resolve()
    roots = [parent for parent in place.parents if (parent / ".git").exists()]
    if not roots:
        return
    command = ["git", "-C", str(roots[0]), "check-ignore", "--quiet", str(place)]
    try:
        ignored = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:  # no git: nothing says that it is ignored
        ignored = False
    if not ignored:
        rule = "patients' images must lie where git does not track them"
        raise UserError(rule, str(file), "choose a folder outside, or an ignored one (data/...)")


def require_no_output(file: Path) -> None:
    """Raise `UserError` if `file` lies in what DVC tracks, which `dvc push` shares."""
    place = file.resolve()
    for root in place.parents:
        if any(place.is_relative_to(root / name) for name in _tracked(root)):
            rule = "patients' images must not lie in an output that DVC shares"
            raise UserError(rule, str(file), "choose another folder")


def _tracked(root: Path) -> Iterator[str]:
    """Yield what DVC tracks in a folder: outputs of its pipeline, and what was added."""
    for path in (root / "dvc.yaml", *root.glob("*.dvc")):
        if not path.is_file():
            continue
        record = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        for stage in (record, *record.get("stages", {}).values()):
            for out in stage.get("outs", ()):  # a path, {path: how} or {path: its name}
                yield str(out.get("path", next(iter(out))) if isinstance(out, dict) else out)
