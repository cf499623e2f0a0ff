"""Which files of a folder are images, which are masks, and whose.

In: a folder of PNG, JPEG, TIFF or BMP files, in subfolders or not. Out: relative paths in the order
of names; the masks of each image. Masks are `NAME_mask.png` beside `NAME.png`, several of one image
too, or files of the same name in a folder `masks`.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from busgen.real.readers.files import is_litter, natural_key

KINDS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
MASK_FOLDERS = {"mask", "masks", "segmentation", "segmentations", "gt", "ground_truth"}
MASK_NAME = re.compile(r"(.+?)[_-](?:mask|seg|segmentation|tumou?r|gt)(?:[_-]?\d+)?", re.I)


def list_files(path: Path) -> list[Path]:
    """Return the image files below a folder, relative to it, in the order of names."""
    found = (
        p.relative_to(path) for p in path.rglob("*") if p.suffix.lower() in KINDS and p.is_file()
    )
    visible = [p for p in found if not any(map(is_litter, p.parts))]
    return sorted(visible, key=lambda p: natural_key(p.as_posix()))


def match_pairs(files: Sequence[Path]) -> tuple[list[Path], dict[Path, list[Path]]]:
    """Return images, and the masks of each that has any, of relative paths of both."""
    masks = [file for file in files if {part.lower() for part in file.parts[:-1]} & MASK_FOLDERS]
    rest = [file for file in files if not {part.lower() for part in file.parts[:-1]} & MASK_FOLDERS]
    known = {(file.parent, file.stem) for file in rest}
    reference = {
        file: base for file in rest if (base := _base(file)) and (file.parent, base) in known
    }
    images = [file for file in rest if file not in reference]
    places = {key: image for image in reversed(images) for key in _places(image)}
    found: dict[Path, list[Path]] = defaultdict(list)
    for mask, base in reference.items():
        found[places[mask.parent, Path(base)]].append(mask)
    for mask in masks:
        image = next((places[key] for key in _mask_places(mask) if key in places), None)
        if image is not None:
            found[image].append(mask)
    return images, dict(found)


def _base(file: Path) -> str | None:
    match = MASK_NAME.fullmatch(file.stem)
    return match[1] if match else None


def _places(image: Path) -> Iterator[tuple[Path, Path]]:
    """Yield (folder, name within) under which a mask may look for an image.

    Its own folder first, then with any folder on the way left out: `a/images/b/x` is `b/x` of `a`.
    """
    parts = image.with_suffix("").parts
    yield Path(*parts[:-1]), Path(parts[-1])
    for k in range(len(parts) - 1):
        yield Path(*parts[:k]), Path(*parts[k + 1 :])


def _mask_places(mask: Path) -> Iterator[tuple[Path, Path]]:
    """Yield where the image of a mask in a mask folder may be."""
    parts = mask.parts
    k = next(n for n, part in enumerate(parts) if part.lower() in MASK_FOLDERS)
    within = Path(*parts[k + 1 :])
    for name in (within.stem, _base(within)):
        if name is not None:
            yield Path(*parts[:k]), within.parent / name
