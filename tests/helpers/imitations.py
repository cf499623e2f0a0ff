"""Small imitations of the public datasets in their publishers' layouts, with every known trap.

Each `lay_out_NAME(folder)` writes one and returns its root. Images are speckle of our own.
"""

import csv
from pathlib import Path

import numpy as np
import openpyxl
from PIL import Image

SHAPE = (60, 80)
BOX = (slice(10, 30), slice(20, 50))  # rows 10 to 29, columns 20 to 49


def speckle(seed: int, shape: tuple[int, int] = SHAPE) -> Image.Image:
    """Return Rayleigh speckle about grey level 90, no two seeds alike."""
    drawn = np.random.default_rng(seed).rayleigh(60.0, shape) + 20
    return Image.fromarray(np.clip(drawn, 5, 255).astype(np.uint8))


def box_mask(
    shape: tuple[int, int] = SHAPE, box: tuple[slice, slice] = BOX, mode: str = "L"
) -> Image.Image:
    """Return a white box on black in `mode`."""
    mask = np.zeros(shape, np.uint8)
    mask[box] = 255
    return Image.fromarray(mask).convert(mode)


def coloured(*boxes: tuple[tuple[slice, slice], tuple[int, int, int]]) -> Image.Image:
    """Return an RGB mask with boxes in their colours on black."""
    mask = np.zeros((*SHAPE, 3), np.uint8)
    for box, colour in boxes:
        mask[box] = colour
    return Image.fromarray(mask)


def save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def lay_out_busi(folder: Path) -> Path:
    """Write BUSI: 1-bit, RGBA and RGB masks, several masks, an RGB image, a Unicode name."""
    root = folder / "BUSI ü" / "Dataset_BUSI_with_GT"
    for n in (1, 2, 10):
        save(speckle(n), root / "benign" / f"benign ({n}).png")
        save(box_mask(mode="1"), root / "benign" / f"benign ({n})_mask.png")
    right = (slice(15, 35), slice(60, 70))
    save(box_mask(box=right, mode="RGBA"), root / "benign" / "benign (2)_mask_1.png")
    save(speckle(20).convert("RGB"), root / "malignant" / "malignant (1).png")
    save(box_mask(mode="1"), root / "malignant" / "malignant (1)_mask.png")
    save(speckle(21), root / "malignant" / "malín (2).png")
    save(box_mask(mode="1"), root / "malignant" / "malín (2)_mask.png")
    save(speckle(30), root / "normal" / "normal (1).png")
    save(Image.new("RGB", SHAPE[::-1]), root / "normal" / "normal (1)_mask.png")
    return root


BUS_BRA = """ID,Case,Histology,Pathology,BIRADS,Device,Width,Height,Side,BBOX
bus_0001-l,1,invasive ductal carcinoma,malignant,4,GE Logiq 7 @10-14MHz,80,60,left,"[21,11,29,19]"
bus_0001-r,1,invasive ductal carcinoma,malignant,5,GE Logiq 7 @10-14MHz,81,60,right,"[21,11,29,19]"
bus_0003-s,3,cyst,benign,2,U-Systems @10-14MHz,80,60,single,"[1,1,2,2]"
"""


def lay_out_bus_bra(folder: Path) -> Path:
    """Write BUS-BRA: two views of one patient, a wrong width, a wrong box."""
    root = folder / "BUS-BRA é"
    for n, name in enumerate(("0001-l", "0001-r", "0003-s")):
        save(speckle(n), root / "Images" / f"bus_{name}.png")
        save(box_mask(mode="1"), root / "Masks" / f"mask_{name}.png")
    (root / "bus_data.csv").write_text(BUS_BRA, encoding="utf-8")
    return root


GREEN, RED = (0, 255, 0), (255, 0, 0)
BUS_UCLM = """Image;Resolution;Label;Doppler;Marks;Combined
ALWI_000.png;80x60;Benign;no;no;no
ALWI_001.png;80x60;Malignant;no;Y;no
CHCO_000.png;80x60;Normal;no;no;no
CHVI_000.png;80x60;Normal;no;no;no
DOPP_000.png;80x60;Benign;yes;yes;no
HESN_002.png;40x30;Benign;no;no;no
TWOS_000.png;80x60;Benign;no;no;yes
"""


def lay_out_bus_uclm(folder: Path) -> Path:
    """Write BUS-UCLM: BOM, stray Y, colours against labels, Doppler, a copied patient, a crop."""
    root = folder / "BUS-UCLM ß"
    for n, name in enumerate(("ALWI_000", "ALWI_001", "CHVI_000", "DOPP_000", "TWOS_000")):
        save(speckle(n).convert("RGB"), root / "images" / f"{name}.png")
    save(speckle(2).convert("RGB"), root / "images" / "CHCO_000.png")
    save(speckle(9, (30, 40)).convert("RGBA"), root / "images" / "HESN_002.png")
    for name in ("ALWI_000", "ALWI_001", "HESN_002"):  # ALWI_001 is called malignant
        save(coloured((BOX, GREEN)), root / "masks" / f"{name}.png")
    for name in ("CHCO_000", "CHVI_000"):
        save(coloured(), root / "masks" / f"{name}.png")
    save(coloured((BOX, GREEN)), root / "masks" / "DOPP_000.png")
    two = coloured((BOX, GREEN), ((slice(40, 55), slice(60, 75)), RED))
    save(two, root / "masks" / "TWOS_000.png")
    (root / "INFO.csv").write_text(BUS_UCLM, encoding="utf-8-sig")
    return root


def lay_out_stu(folder: Path) -> Path:
    """Write STU: 128 x 128 images, a mask of their size and two larger, anti-aliased ones."""
    root = folder / "STU 超" / "Hospital"
    for n in (1, 2, 10):
        save(speckle(n, (128, 128)), root / f"Test_Image_{n}.png")
    box = (slice(40, 60), slice(30, 70))
    small = box_mask((128, 128), box)
    save(small, root / "mask_1.png")
    save(small.resize((512, 512), Image.Resampling.BILINEAR), root / "mask_2.png")
    save(small.resize((400, 400), Image.Resampling.BILINEAR).convert("RGB"), root / "mask_10.png")
    return root


def lay_out_udiat(folder: Path) -> Path:
    """Write UDIAT: numbered images, labels in a workbook that counts in numbers."""
    root = folder / "UDIAT ø"
    book = openpyxl.Workbook()
    book.active.append(["Image", "Type"])
    for n, label in ((1, "Benign"), (2, "Malignant"), (3, "Benign")):
        save(speckle(n), root / "original" / f"{n:06d}.png")
        save(box_mask(), root / "GT" / f"{n:06d}.png")
        book.active.append([n if n < 3 else f"{n:06d}", label])
    book.save(root / "DatasetB.xlsx")
    return root


BREAST_HEADER = next(
    csv.reader(
        [
            "CaseID,Image_filename,Mask_tumor_filename,Mask_other_filename,Pixel_size,Age,"
            "Tissue_composition,Signs,Symptoms,Shape,Margin,Echogenicity,Posterior_features,Halo,"
            "Calcifications,Skin_thickening,Interpretation,BIRADS,Verification,Diagnosis,"
            "Classification"
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


def ramp(mode: str) -> Image.Image:
    """Return a 60 x 80 image with grey 50 to 129, in `mode`."""
    return Image.fromarray(np.tile(np.arange(50, 130, dtype=np.uint8), (60, 1))).convert(mode)


def lay_out_breast(folder: Path, **cells: str) -> Path:
    """Write BrEaST: two lesions (RGBA, RGB) and a normal case; `cells` replace the first row's."""
    root = folder / "BrEaST ü 1"
    images = root / "BrEaST-Lesions_USG-images_and_masks"
    for n, mode in ((1, "RGBA"), (2, "RGB"), (3, "RGB")):
        save(ramp(mode), images / f"case00{n}.png")
        if n < 3:
            save(box_mask(mode="RGBA"), images / f"case00{n}_tumor.png")
    rows = [line.split(",") for line in (LESION.format(n=1), LESION.format(n=2), NORMAL)]
    rows[0] = [cells.get(name, cell) for name, cell in zip(BREAST_HEADER, rows[0], strict=True)]
    with (root / "clinical.csv").open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([BREAST_HEADER, *rows])
    return root


def lay_out_hospital(root: Path) -> Path:
    """Write images and masks in sibling folders, and a table of a hospital's own words."""
    lines = ["File;Patient;Class;BI-RADS;Margin;Pixel spacing"]
    for k, (label, birads) in enumerate((("B", "3"), ("M", "4c"), ("M", "5"), ("X", "2"))):
        save(speckle(k), root / "images" / f"scan {k}.png")
        save(box_mask(), root / "masks" / f"scan {k}.png")
        margin = "spiculated|angular" if label == "M" else "circumscribed"
        lines.append(f"scan {k}.png;P{k // 2};{label};{birads};{margin};0,12")
    save(speckle(9), root / "images" / "stray.png")
    (root / "info.csv").write_text("\n".join(lines), encoding="utf-8")
    return root
