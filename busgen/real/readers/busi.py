"""Reader of BUSI (Al-Dhabyani 2020) in its publisher's layout.

In: the folder with `benign/`, `malignant/` and `normal/` (or the one above it), as published or as
many keep it: without one of them, as JPEG. Out: a listing. The folder is the label;
`NAME_mask.png`, `NAME_mask_1.png` and so on are the masks of `NAME.png`, united where there are
several. There are no patients: every image counts as its own until near-duplicates are clustered.
"""

import re
from functools import partial
from pathlib import Path

from busgen import schema
from busgen.errors import DataError
from busgen.imaging.decode import Entry, Listing, PublishedImage, load_image
from busgen.imaging.pairs import KINDS
from busgen.real.readers.files import ascii_id, find_files, find_folder, load_union

MASK = re.compile(r"(?P<stem>.+)_mask(_\d+)?\Z")


def list_images(path: Path) -> Listing:
    """Return what stands in the BUSI folder `path`; raises as `registry.list_images`."""
    root = find_folder(
        path,
        lambda p: any((p / name).is_dir() for name in schema.PATHOLOGIES),
        "a BUSI folder must hold benign/, malignant/, normal/ or some of them",
        "give Dataset_BUSI_with_GT or the folder that holds it",
    )
    entries, left_out = list[Entry](), list[tuple[str, str]]()
    for pathology in (name for name in schema.PATHOLOGIES if (root / name).is_dir()):
        images, masks = _group(root / pathology)
        published = any(image.suffix.lower() == ".png" for image in images)
        for image in images:
            name = f"{pathology}/{image.name}"
            if published and image.suffix.lower() != ".png":
                left_out.append((name, "no PNG"))
                continue
            paths = masks.pop(image.stem, [])
            entries.append(Entry(name, partial(_load, image, paths, pathology)))
        orphans = [path for paths in masks.values() for path in paths]
        left_out += [(f"{pathology}/{path.name}", "a mask without its image") for path in orphans]
    return Listing(entries, tuple(left_out))


def _group(folder: Path) -> tuple[list[Path], dict[str, list[Path]]]:
    """Return the images of a folder, and its masks by their image's stem."""
    images, masks = list[Path](), dict[str, list[Path]]()
    for path in find_files(folder, KINDS):
        if match := MASK.match(path.stem):
            masks.setdefault(match["stem"], []).append(path)
        else:
            images.append(path)
    return images, masks


def _load(image: Path, masks: list[Path], pathology: str) -> PublishedImage:
    other = [name for name in schema.PATHOLOGIES if name in image.name and name != pathology]
    if other:
        raise DataError("folder and file name must agree", f"{other[0]} in {pathology}", "restore")
    pixels, notes = load_image(image)
    mask = load_union(masks, pixels.shape)
    identity = f"busi-{ascii_id(image.stem)}"
    several = len(masks) > 1
    return PublishedImage(
        pixels,
        mask,
        {"sample_id": identity, "patient_id": identity, "pathology": pathology},
        masks[0].name if masks else None,
        flags=("several_masks",) * several,
        notes=(*notes, *(("masks united",) * several)),
    )
