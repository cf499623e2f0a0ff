"""The BUS-BRA reader: on the published files, and on an imitation with every trap."""

from collections import Counter

import pytest
from canonical import read_dataset
from imitations import BUS_BRA, lay_out_bus_bra

from busgen.errors import DataError
from busgen.real.readers.registry import list_images

pytestmark = pytest.mark.usefixtures("no_overlays")


def test_published_counts(real_data):
    listing = list_images("bus_bra", real_data / "BUS-BRA")
    assert listing.left_out == ()
    found = [entry.load() for entry in listing.entries]
    stated = [published.stated for published in found]
    assert Counter(row["pathology"] for row in stated) == {"benign": 1006, "malignant": 486}
    assert len({row["patient_id"] for row in stated}) == 852
    categories = Counter(row["birads_category"] for row in stated)
    assert categories == {"4": 554, "2": 436, "3": 375, "5": 127}
    assert sum(row["birads"] is None for row in stated) == 554
    assert all(row["scanner"] and row.get("pixel_mm") is None for row in stated)
    assert all(published.mask.any() for published in found)
    assert {p.stated["sample_id"]: p.notes for p in found if p.notes} == {
        "bus_bra-0845-s": ("box in the table is wrong",),
        "bus_bra-0856-l": ("size in the table is wrong",),
        "bus_bra-0857-r": ("size in the table is wrong",),
        "bus_bra-0990-l": ("size in the table is wrong",),
    }


def test_what_the_table_states(tmp_path):
    first, second, third = read_dataset("bus_bra", lay_out_bus_bra(tmp_path)).table.to_pylist()
    assert first["sample_id"] == "bus_bra-0001-l"
    assert first["patient_id"] == second["patient_id"] == "bus_bra-0001"
    assert third["patient_id"] == "bus_bra-0003"
    assert (first["birads"], first["birads_category"]) == (None, "4")
    assert (second["birads"], second["birads_category"]) == ("5", "5")
    assert (third["pathology"], third["diagnosis"]) == ("benign", "cyst")
    assert third["scanner"] == "U-Systems"
    assert first["source_file"] == "Images/bus_0001-l.png"
    assert first["orientation"] == "parallel"
    assert (first["center_x"], first["center_y"]) == (35 / 80, 20 / 60)


def test_where_the_table_is_wrong_the_image_counts(tmp_path):
    notes = read_dataset("bus_bra", lay_out_bus_bra(tmp_path)).table["notes"].to_pylist()
    assert notes == [[], ["size in the table is wrong"], ["box in the table is wrong"]]


@pytest.mark.parametrize(
    ("term", "wrong", "named"),
    [
        ("malignant,4", "uncertain,4", "Pathology of bus_0001-l.*'uncertain'"),
        ("malignant,4", "malignant,6", "BIRADS of bus_0001-l.*'6'"),
        ("bus_0001-l,1", "bus_0001-l,one", "Case of bus_0001-l.*'one'"),
    ],
)
def test_an_unknown_term_names_row_and_term(term, wrong, named, tmp_path):
    root = lay_out_bus_bra(tmp_path)
    (root / "bus_data.csv").write_text(BUS_BRA.replace(term, wrong, 1))
    with pytest.raises(DataError, match=named):
        list_images("bus_bra", root)


def test_contradicting_rows_are_left_out(tmp_path):
    root = lay_out_bus_bra(tmp_path)
    again = BUS_BRA.splitlines()[1].replace("malignant", "benign")
    (root / "bus_data.csv").write_text(f"{BUS_BRA}{again}\n")
    reading = read_dataset("bus_bra", root)
    assert reading.table.num_rows == 2
    assert dict(reading.left_out) == {
        "Images/bus_0001-l.png": "2 rows that contradict each other",
    }
