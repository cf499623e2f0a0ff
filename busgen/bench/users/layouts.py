"""Layouts of other people's datasets, each made by a program and read: right, refused, or misread.

In: a case. Out: its outcome. A misreading is a set that is read, but not as it was made.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from busgen.arrays import Pixels
from busgen.bench.users import encodings
from busgen.bench.users.encodings import SHAPE, N, make_pair, save
from busgen.errors import UserError
from busgen.image_sets.open import open_set
from busgen.image_sets.source import Reading

GREY_APART, OVERLAP = 4.0, 0.9  # mean levels from the image made; share that masks must share
Files = dict[str, bytes]
NAMES = [  # images, masks: what people call them
    ("images/{}.png", "masks/{}.png"),
    ("imgs/{}.png", "labels/{}.png"),
    ("img_dir/train/{}.png", "ann_dir/train/{}.png"),
    ("JPEGImages/{}.png", "SegmentationClass/{}.png"),
    ("imagesTr/p{}_0000.png", "labelsTr/p{}.png"),
    ("images/{}.png", "annotations/{}.png"),
    ("Images/{}.png", "GroundTruth/{}.png"),
    ("images/{}.png", "GT/{}.png"),
    ("train/{}.png", "train_masks/{}_mask.png"),
    ("images/{}.png", "masks/0/{}.png"),
    ("benign/{}.png", "benign/{}_mask.png"),
    ("benign/benign ({}).png", "benign/benign ({})_mask.png"),
    ("{}.png", "{}_label.png"),
    ("{}.png", "{}_Annotation.png"),
    ("{}.png", "mask_{}.png"),
    ("{}.png", "{}_segmentation.png"),
    ("{}.png", "{}.png.mask.png"),
    ("train/images/{}.png", "train/masks/{}.png"),
    ("images/train/{}.png", "masks/train/{}_mask.png"),
    ("images/{}.jpg", "masks/{}.png"),
    ("ultrasound/{}.png", "tumour masks/{}.png"),
]


@dataclass(frozen=True)
class Case:
    """A layout: the files that it has, whether it must be refused, how it is read."""

    name: str
    files: Files
    refuse: bool = False
    reading: Reading = field(default_factory=Reading)


def list_cases() -> list[Case]:
    """Return all cases."""
    plain = [Case(f"{a}, {b}", _lay(a, b)) for a, b in NAMES]
    images = [
        Case(f"image: {name}", _lay(f"images/{{}}.{ending}", "masks/{}.png", image=encode))
        for name, (ending, encode) in encodings.IMAGES.items()
    ]
    masks = [
        Case(f"mask: {name}", _lay("images/{}.png", f"masks/{{}}.{ending}", mask=encode))
        for name, (ending, encode) in encodings.MASKS.items()
    ]
    return [*plain, *images, *masks, *_forms(), *_refused()]


def _save_jpeg_or_png(name: str) -> Callable[[Pixels], bytes]:
    return (lambda x: save(x, "JPEG", quality=95)) if name.endswith("jpg") else save


def _lay(
    images: str,
    masks: str | None,
    image: Callable[[Pixels], bytes] | None = None,
    mask: Callable[[Pixels], bytes] = lambda x: save(x * 255),
) -> Files:
    """Return files of all pairs by the patterns of their names."""
    files: Files = {}
    for k in range(N):
        shown, outlined = make_pair(k)
        files[images.format(k)] = (image or _save_jpeg_or_png(images))(shown)
        if masks is not None:
            files[masks.format(k)] = mask(outlined)
    return files


def _forms() -> list[Case]:
    """Return what is no folder of pairs alone: tables, outlines in numbers, named patterns."""
    pairs = [make_pair(k) for k in range(N)]
    images = _lay("images/{}.png", None)
    beside = _lay("a/{}.png", "b/{}-outline.png")
    rows: list[dict[str, object]] = [
        {"file_name": f"a/{k}.png", "mask_file_name": f"b/{k}-outline.png"} for k in range(N)
    ]
    table = "file_name,mask_file_name\n" + "\n".join(
        f"a/{k}.png,b/{k}-outline.png" for k in range(N)
    )
    coco = {
        "images": [_of(k, {"id": k, "file_name": f"{k}.png"}) for k in range(N)],
        "annotations": [
            {"id": k, "image_id": k, "segmentation": _to_polygon(mask)}
            for k, (_, mask) in enumerate(pairs)
        ],
    }
    runs = coco | {
        "annotations": [
            {"id": k, "image_id": k, "segmentation": {"size": [*SHAPE], "counts": _runs(mask)}}
            for k, (_, mask) in enumerate(pairs)
        ]
    }
    yolo = {f"labels/{k}.txt": _to_yolo(mask) for k, (_, mask) in enumerate(pairs)}
    cells = [[{"bytes": save(x * f), "path": None} for x in some]
             for some, f in zip(zip(*pairs, strict=True), (1, 255), strict=True)]  # fmt: skip
    odd = Reading(image="scan", mask="tumour")
    named = Reading(images="left/*.png", masks="right/*.png")
    return [
        Case("metadata.jsonl names masks", beside | {"metadata.jsonl": _to_json_lines(rows)}),
        Case("metadata.csv names masks", beside | {"metadata.csv": table.encode()}),
        Case("COCO polygons", images | {"annotations/instances.json": _dump(coco)}),
        Case("COCO run lengths", images | {"annotations/instances.json": _dump(runs)}),
        Case("YOLO outlines", images | yolo),
        Case("Parquet", _to_parquet(image=cells[0], mask=cells[1])),
        Case("Parquet, lists of masks", _to_parquet(image=cells[0], mask=[[m] for m in cells[1]])),
        Case(
            "Parquet, other names",
            _to_parquet(scan=cells[0], tumour=cells[1]),
            reading=odd,
        ),
        Case("patterns", _lay("left/{}.png", "right/{}.png"), reading=named),
        Case(
            "one label of several",
            _lay("images/{}.png", "masks/{}.png", mask=lambda x: save(x * 3 + (1 - x) * _frame())),
            reading=Reading(label=3),
        ),
    ]


def _refused() -> list[Case]:
    """Return what names and levels do not tell, or what would be misread."""
    return [
        Case("masks among images", _lay("left/{}.png", "right/{}.png"), refuse=True),
        Case("masks alone", _lay("x/{}.png", None, image=lambda x: save((x > 99) * np.uint8(255))),
             refuse=True),
        Case("a folder of masks", _lay("masks/{}.png", None), refuse=True),
        Case("black images", _lay("x/{}.png", None, image=lambda x: save(x // 64)), refuse=True),
        Case("masks of other images", _lay("images/{}.png", "masks/other{}.png"), refuse=True),
        Case("masks of another size", _lay("images/{}.png", "masks/{}.png",
             mask=lambda x: save(x[:, :80] * 255)), refuse=True),
        Case("volumes", _lay("images/{}.png", None) | {f"v{k}.nii.gz": b"" for k in range(2)},
             refuse=True),
        Case("damaged images", _lay("images/{}.png", "masks/{}.png",
             image=lambda x: save(x)[:-200]), refuse=True),
        Case("texts", {f"{k}.png": b"no image" for k in range(N)}, refuse=True),
        Case("nothing", {"README.md": b"# Images"}, refuse=True),
    ]  # fmt: skip


def _frame() -> Pixels:
    """Return a label 1 that is no lesion: a frame of two pixels."""
    frame = np.ones(SHAPE, np.uint8)
    frame[2:-2, 2:-2] = 0
    return frame


def _to_polygon(mask: Pixels) -> list[list[float]]:
    """Return the outlines of a mask as polygons of corners x, y, ..., in pixels."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [contour[:, 0].ravel().astype(float).tolist() for contour in contours]


def _to_json_lines(rows: list[dict[str, object]]) -> bytes:
    """Return rows as JSON Lines."""
    return "\n".join(map(json.dumps, rows)).encode()


def _of(k: int, record: dict[str, object]) -> dict[str, object]:
    return record | {"height": SHAPE[0], "width": SHAPE[1]}


def _runs(mask: Pixels) -> list[int]:
    """Return the run lengths of a mask by columns, zeros first."""
    flat = mask.ravel(order="F")
    cuts = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff(np.concatenate([[0], cuts, [flat.size]])).tolist()
    return [0, *runs] if flat[0] else runs


def _to_yolo(mask: Pixels) -> bytes:
    lines = []
    for polygon in _to_polygon(mask):
        corners = np.array(polygon).reshape(-1, 2) + 0.5
        places = (corners / (SHAPE[1], SHAPE[0])).ravel()
        lines.append("0 " + " ".join(f"{place:.6f}" for place in places))
    return "\n".join(lines).encode()


def _dump(record: object) -> bytes:
    return json.dumps(record).encode()


def _to_parquet(**columns: Sequence[object]) -> Files:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return {"data.parquet": sink.getvalue().to_pybytes()}


def find_outcome(case: Case) -> str:
    """Return ``right``, ``refused`` or ``misread``: what becomes of a case that is read."""
    with TemporaryDirectory(prefix="busgen-") as scratch:
        for name, data in case.files.items():
            path = Path(scratch) / "set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        try:
            source = open_set(Path(scratch) / "set", case.reading)
            found = list(source.load(range(len(source))))
        except UserError:
            return "refused"
    return "right" if not case.refuse and _is_right(found) else "misread"


def _is_right(found: Sequence[tuple[Pixels, Pixels]]) -> bool:
    """Whether images and masks are those that were made, in their order."""
    if len(found) != N:
        return False
    for (image, mask), (shown, outlined) in zip(found, map(make_pair, range(N)), strict=True):
        if image.shape != SHAPE or mask.shape != SHAPE:
            return False
        apart = np.abs(image.astype(float) - shown).mean()
        overlap = (mask & outlined).sum() / max((mask | outlined).sum(), 1)
        if apart > GREY_APART or overlap < OVERLAP:
            return False
    return True
