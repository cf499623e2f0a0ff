"""Which files of a folder are images, which are masks, and whose: any common layout.

In: a folder. Out: `Pairs` of paths relative to it. A mask is told by the words of a folder
(`masks`, `labelsTr`, `SegmentationClass`, `train_masks`) or of its name (`x_mask`, `mask_x`,
`x.png.mask`). It is of the image whose name is the same without such words, in the folder that is
the same without them: `imagesTr/x_0000.png` and `labelsTr/x.png`. Where several images could be
meant, none is.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

KINDS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".dcm")
OTHER_KINDS = (".nii", ".nii.gz", ".mha", ".nrrd", ".npy", ".mat", ".h5", ".heic", ".jp2", ".mp4",
               ".avi", ".svs", ".psd")  # fmt: skip
MASK_WORDS = {"mask", "masks", "label", "labels", "annotation", "annotations", "ann", "anns",
              "segmentation", "segmentations", "seg", "segs", "gt", "gts", "truth"}  # fmt: skip
IMAGE_WORDS = {"image", "images", "img", "imgs", "jpeg", "jpegimages", "original", "originals",
               "input", "inputs"}  # fmt: skip
SPLIT_WORDS = {"tr": "train", "train": "train", "training": "train", "ts": "test", "test": "test",
               "testing": "test", "val": "validation", "valid": "validation", "dev": "validation",
               "validation": "validation"}  # fmt: skip
FILLERS = {"dir", "folder", "class", "object", "png", "jpg", "binary", "ground", "lesion",
           "lesions", "tumor", "tumour", "raw"}  # fmt: skip
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
_SAID = r"masks?|seg(?:mentation)?s?|annotations?|labels?|gts?|ground[_ -]?truth"
_END = re.compile(rf"(.+?)[ _.-]+({_SAID}|tumou?r|lesion)(?:[ _.-]*\(?\d+\)?)?", re.I)
_START = re.compile(rf"({_SAID})[ _.-]+(.+)", re.I)
_IMAGE = (  # what an image's name may have beside its mask's: a channel (nnU-Net), words
    re.compile(r"(.+)_\d{4}"),
    re.compile(r"(.+)[ _.-]+(?:image|img|original)", re.I),
    re.compile(r"(?:.*[ _.-])?(?:image|img|original)[ _.-]+(.+)", re.I),
    re.compile(r"[a-z]+[ _.-]+(.+)", re.I),
)
_WEAK = re.compile("tumou?r|lesion", re.I)  # words that an image's own name may have


@dataclass(frozen=True)
class Pairs:
    """`images`, the `masks` of each that has any, masks `alone`: of none, or of several images."""

    images: list[Path]
    masks: dict[Path, list[Path]]
    alone: list[Path] = field(default_factory=list)


def list_files(path: Path, kinds: Sequence[str] = KINDS) -> list[Path]:
    """Return the files of some endings below a folder, relative to it, in the order of names."""
    found = (p.relative_to(path) for p in path.rglob("*") if p.name.lower().endswith(tuple(kinds)))
    visible = [p for p in found if not any(map(is_litter, p.parts)) and (path / p).is_file()]
    return sorted(visible, key=lambda p: natural_key(p.as_posix()))


def is_litter(name: str) -> bool:
    """Return whether an operating system left it: resource forks, archives' own folders."""
    return name.startswith((".", "__MACOSX"))


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Return a sorting key by which 2 comes before 10, whatever the Unicode form."""
    parts = re.split(r"(\d+)", unicodedata.normalize("NFC", name))
    return [int(part) if part.isdecimal() else part for part in parts], name


def match_pairs(files: Sequence[Path]) -> Pairs:
    """Return which of a folder's files, paths relative to it, are images and which are masks."""
    in_folders = {file for file in files if any(map(_is_mask_folder, file.parts[:-1]))}
    told = {file: base for file in files if (base := _base(file.stem)) is not None}
    plain = [file for file in files if file not in in_folders and file not in told]
    weak = [f for f, base in told.items() if _WEAK.search(f.stem.removeprefix(base))]
    places = _by_name(plain)
    plain += [f for f in weak if f not in in_folders and not places.get(_fold(told[f]))]
    kept = set(plain)
    images, masks = ([f for f in files if (f in kept) is shown] for shown in (True, False))
    return join(images, masks)


def join(images: Sequence[Path], masks: Sequence[Path]) -> Pairs:
    """Return the pairs of files that are known to be images, and masks."""
    places, found, alone = _by_name(images), defaultdict[Path, list[Path]](list), list[Path]()
    for mask in masks:
        names = dict.fromkeys(_fold(n) for n in (mask.stem, _base(mask.stem)) if n is not None)
        meant = next((own for n in names if (own := _nearest(mask, places.get(n, {})))), None)
        if meant is None:
            alone.append(mask)
        else:
            found[meant].append(mask)
    return Pairs(list(images), dict(found), alone)


def _by_name(images: Sequence[Path]) -> dict[str, dict[Path, int]]:
    """Return the images that a mask may call by a name, and how much of theirs is left out."""
    found = defaultdict[str, dict[Path, int]](dict)
    for image in images:
        matches = (pattern.fullmatch(image.stem) for pattern in _IMAGE)
        names = (image.stem, *(match[1] for match in matches if match))
        for rank, name in enumerate(names):
            found[_fold(name)].setdefault(image, rank)
    return found


def _base(stem: str) -> str | None:
    """Return a mask's name without the word that says so, None where there is none."""
    if match := _END.fullmatch(stem):
        base = match[1]
    elif match := _START.fullmatch(stem):
        base = match[2]
    else:
        return None
    return Path(base).stem if Path(base).suffix.lower() in KINDS else base


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _nearest(mask: Path, images: Mapping[Path, int]) -> Path | None:
    """Return the image that a mask's folder means; None where there is none, or several are."""
    own, left = _context(mask), list[tuple[bool, int, int, Path]]()
    splits = set(own) & set(SPLIT_WORDS.values())
    for image, rank in images.items():
        other = _context(image)
        theirs = set(other) & set(SPLIT_WORDS.values())
        if not splits or not theirs or splits == theirs:
            left.append((other != own, len(set(other) ^ set(own)), rank, image))
    best = [one for one in left if one[:3] == min(left)[:3]]
    return best[0][3] if len(best) == 1 else None


def _context(file: Path) -> tuple[str, ...]:
    """Return what a file's folders say, but for words of images and masks."""
    said = MASK_WORDS | IMAGE_WORDS | FILLERS
    words = (word for part in file.parts[:-1] for word in _words(part))
    return tuple(SPLIT_WORDS.get(word, word) for word in words if word not in said)


def _is_mask_folder(name: str) -> bool:
    """Return whether a folder's name says masks, and nothing else but a split."""
    left = set(_words(name)) - FILLERS - IMAGE_WORDS - set(SPLIT_WORDS)
    left = {word for word in left if not word.isdigit()}
    return bool(left) and left <= MASK_WORDS


def _words(name: str) -> list[str]:
    return [word.lower() for word in _TOKEN.findall(name)]
