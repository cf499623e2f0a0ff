"""A small imitation of BrEaST in its publisher's layout."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from busgen.real.breast import read_breast
from busgen.real.reading import Reading

HEADER = next(
    csv.reader(
        [
            "CaseID,Image_filename,Mask_tumor_filename,Mask_other_filename,Pixel_size,Age,"
            "Tissue_composition,Signs,Symptoms,Shape,Margin,Echogenicity,Posterior_features,Halo,"
            "Calcifications,Skin_thickening,Interpretation,BIRADS,Verification,Diagnosis,Classification"
        ]
    )
)
LESION = (
    "{n},case00{n}.png,case00{n}_tumor.png,,0.01,50,heterogeneous: predominantly fat,no,no,oval,"
    "circumscribed,hypoechoic,no,no,no,no,Fibroadenoma,3,confirmed by biopsy,Fibroadenoma,benign"
)
NORMAL = (
    "3,case003.png,,,0.01,not available,not available,no,no,not applicable,not applicable,"
    "not applicable,not applicable,not applicable,not applicable,no,no,1,not applicable,"
    "not applicable,normal"
)


def picture(mode: str) -> Image.Image:
    """Return a 60 x 80 picture with grey 50 to 129, in `mode`."""
    grey = np.tile(np.arange(50, 130, dtype=np.uint8), (60, 1))
    return Image.fromarray(grey).convert(mode)


def tumour(size: tuple[int, int] = (60, 80)) -> Image.Image:
    """Return an RGBA mask with a box of rows 10 to 29 and columns 20 to 49."""
    mask = np.zeros((*size, 4), np.uint8)
    mask[..., 3] = 255
    mask[10:30, 20:50, :3] = 255
    return Image.fromarray(mask)


@pytest.fixture(scope="session")
def published(real_data: Path) -> Reading:
    """Return the publisher's BrEaST, read once."""
    return read_breast(real_data / "BrEaST")


@pytest.fixture
def breast(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that lays out BrEaST: two lesions (RGBA, RGB) and a normal case.

    Keywords replace cells of the first row.
    """

    def lay_out(**cells: str) -> Path:
        folder = tmp_path / "BrEaST ü 1"
        images = folder / "BrEaST-Lesions_USG-images_and_masks"
        images.mkdir(parents=True)
        for n, mode in ((1, "RGBA"), (2, "RGB"), (3, "RGB")):
            picture(mode).save(images / f"case00{n}.png")
            if n < 3:
                tumour().save(images / f"case00{n}_tumor.png")
        rows = [line.split(",") for line in (LESION.format(n=1), LESION.format(n=2), NORMAL)]
        rows[0] = [cells.get(name, cell) for name, cell in zip(HEADER, rows[0], strict=True)]
        with (folder / "clinical.csv").open("w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file).writerows([HEADER, *rows])
        return folder

    return lay_out
