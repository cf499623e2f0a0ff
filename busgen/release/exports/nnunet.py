"""Form `nnunet`: the raw dataset of nnU-Net version 2, with the side of a pixel.

Train and validation are Tr, the split of them is in `splits_final.json`; test is Ts. PNG would
lose the side of a pixel: images and labels are TIFF of one plane, beside each a JSON with its
spacing as nnU-Net's `Tiff3DIO` reads it.
"""

import io
from pathlib import Path

import numpy as np
import tifffile

from busgen import NOT_FOR_CLINICAL_USE
from busgen.arrays import Pixels
from busgen.io import decode_png, dumps, write_text
from busgen.release.exports.samples import Row, write_samples
from busgen.release.signing import Signature

NAME = "Dataset001_busgen"
_PLANE_MM = 999.0  # between planes: nnU-Net's own mark of images in two dimensions


def write(folder: Path, out: Path, signature: Signature | None) -> None:
    """Write the release `folder` as nnU-Net's dataset `out`."""
    names: dict[str, list[str]] = {"train": [], "validation": [], "test": []}

    def save(row: Row, name: str, place: Path) -> tuple[str, str]:
        names[row["split"]].append(name)
        part = "Ts" if row["split"] == "test" else "Tr"
        pixels, mask = (decode_png(row[key]["bytes"], name) for key in ("image", "mask"))
        image = _to_tiff(pixels, row["pixel_mm"])
        if signature:
            image = signature.sign(image, row["sample_id"], row["engine"], "image/tiff")
        label = _to_tiff(np.minimum(mask, 1), row["pixel_mm"])
        files = f"images{part}/{name}_0000.tif", f"labels{part}/{name}.tif"
        for file, data in zip(files, (image, label), strict=True):
            (place / file).write_bytes(data)
            if row["pixel_mm"]:
                spacing = {"spacing": [_PLANE_MM, row["pixel_mm"], row["pixel_mm"]]}
                write_text(place / Path(file).parent / f"{name}.json", dumps(spacing))
        return files

    write_samples(folder, out, save, ("imagesTr", "labelsTr", "imagesTs", "labelsTs"), ".")
    if names["validation"]:
        fold = {"train": names["train"], "val": names["validation"]}
        write_text(out / "splits_final.json", dumps([fold]))
    record = {
        "channel_names": {"0": "ultrasound"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": len(names["train"]) + len(names["validation"]),
        "file_ending": ".tif",
        "overwrite_image_reader_writer": "Tiff3DIO",
        "description": NOT_FOR_CLINICAL_USE,
        "licence": "CC BY 4.0",
    }
    write_text(out / "dataset.json", dumps(record))


def _to_tiff(pixels: Pixels, pixel_mm: float | None) -> bytes:
    """Return pixels (H, W) as a TIFF of one plane, its resolution in pixels a centimetre."""
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        pixels[None],
        photometric="minisblack",
        compression="zlib",
        resolution=(10 / pixel_mm, 10 / pixel_mm) if pixel_mm else None,
        resolutionunit="CENTIMETER" if pixel_mm else None,
    )
    return file.getvalue()
