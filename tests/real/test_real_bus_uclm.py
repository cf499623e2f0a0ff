"""The BUS-UCLM reader on an imitation with every trap of the published files."""

import numpy as np
import pytest
from canonical import read_dataset
from imitations import BOX, BUS_UCLM, coloured, lay_out_bus_uclm, save, speckle
from PIL import Image

from busgen.errors import DataError
from busgen.io import decode_png
from busgen.real.readers.registry import DATASETS, list_images

pytestmark = pytest.mark.usefixtures("no_overlays")


@pytest.fixture
def reading(tmp_path):
    return read_dataset("bus_uclm", lay_out_bus_uclm(tmp_path))


@pytest.fixture
def rows(reading):
    return {row["sample_id"].removeprefix("bus_uclm-"): row for row in reading.table.to_pylist()}


def test_labels_patients_and_scanner(rows):
    assert {name: row["pathology"] for name, row in rows.items()} == {
        "ALWI_000": "benign",
        "ALWI_001": "malignant",
        "CHCO_000": "normal",
        "CHVI_000": "normal",
        "DOPP_000": "benign",
        "TWOS_000": "benign",
    }
    assert rows["ALWI_000"]["patient_id"] == rows["ALWI_001"]["patient_id"] == "bus_uclm-ALWI"
    assert {row["scanner"] for row in rows.values()} == {"Siemens ACUSON S2000"}


def test_a_copied_patient_is_one_patient(rows):
    assert rows["CHCO_000"]["patient_id"] == rows["CHVI_000"]["patient_id"] == "bus_uclm-CHVI"
    assert rows["CHCO_000"]["notes"] == ["patient CHCO is CHVI"]
    assert rows["CHVI_000"]["notes"] == []


def test_a_recropped_image_is_left_out(reading):
    ((file, reason),) = reading.left_out
    assert file == "images/HESN_002.png"
    assert reason == "HESN_002.png must have its image's size (30, 40), got (60, 80)"


def test_green_is_a_lesion_though_dark_in_red(rows):
    mask = decode_png(rows["ALWI_000"]["mask"]["bytes"])
    assert mask[BOX].all()
    assert np.count_nonzero(mask) == 600
    assert rows["ALWI_000"]["flags"] == rows["ALWI_000"]["notes"] == []


def test_mask_against_label_is_flagged(rows):
    assert rows["ALWI_001"]["flags"] == ["label_conflict"]
    assert rows["ALWI_001"]["notes"] == ["publisher says: marks", "the mask's colour says benign"]
    assert rows["TWOS_000"]["flags"] == ["several_masks", "label_conflict"]
    assert rows["TWOS_000"]["notes"] == [
        "publisher says: combined",
        "the mask's colour says benign and malignant",
    ]
    assert rows["TWOS_000"]["orientation"] is None


def test_doppler_is_flagged_as_said(rows):
    assert rows["DOPP_000"]["flags"] == ["colour_doppler"]
    assert rows["DOPP_000"]["notes"] == ["publisher says: doppler", "publisher says: marks"]


def test_doppler_is_found_where_nobody_says_it(tmp_path):
    root = lay_out_bus_uclm(tmp_path)
    pixels = np.array(speckle(3).convert("RGB"))
    pixels[20:26, 20:26] = (200, 40, 10)
    save(Image.fromarray(pixels), root / "images" / "ALWI_000.png")
    row = read_dataset("bus_uclm", root).table.to_pylist()[0]
    assert row["flags"] == ["colour_doppler"]
    assert row["notes"] == ["colour made grey"]


@pytest.mark.parametrize("mode", ["blue", "grey"])
def test_masks_of_other_colours_are_left_out(mode, tmp_path):
    root = lay_out_bus_uclm(tmp_path)
    image = coloured((BOX, (0, 0, 255)))
    if mode == "grey":
        image = coloured((BOX, (255, 255, 255))).convert("L")
    save(image, root / "masks" / "ALWI_000.png")
    reason = dict(read_dataset("bus_uclm", root).left_out)["images/ALWI_000.png"]
    assert reason.startswith("ALWI_000.png must be black, green and red")


def test_a_lesion_on_a_normal_image_is_left_out(tmp_path):
    root = lay_out_bus_uclm(tmp_path)
    save(coloured((BOX, (255, 0, 0))), root / "masks" / "CHVI_000.png")
    reason = dict(read_dataset("bus_uclm", root).left_out)["images/CHVI_000.png"]
    assert "a normal image must have no lesion" in reason


def test_names_without_ending_and_an_image_without_row(tmp_path):
    root = lay_out_bus_uclm(tmp_path)
    table = BUS_UCLM.replace(".png", "").replace("ALWI_001;80x60;Malignant;no;Y;no\n", "")
    (root / "INFO.csv").write_text(table, encoding="utf-8")
    reading = read_dataset("bus_uclm", root)
    assert reading.table.num_rows == 5
    assert ("images/ALWI_001.png", "not in INFO.csv") in reading.left_out
    assert ("masks/ALWI_001.png", "a mask without its image") in reading.left_out


@pytest.mark.parametrize(
    ("cell", "wrong", "named"),
    [("Benign", "Cyst", "Label of ALWI_000.*'Cyst'"), ("no;no", "si;no", "Doppler.*'si'")],
)
def test_an_unknown_term_names_row_and_term(cell, wrong, named, tmp_path):
    root = lay_out_bus_uclm(tmp_path)
    (root / "INFO.csv").write_text(BUS_UCLM.replace(cell, wrong, 1))
    with pytest.raises(DataError, match=named):
        list_images("bus_uclm", root)


def test_disputed_licence_is_no_licence():
    info = DATASETS["bus_uclm"]
    assert not info.weights_may_ship
    assert not info.pixels_may_show
    assert "CC BY-NC 4.0" in info.licence
