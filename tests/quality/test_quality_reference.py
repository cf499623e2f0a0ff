"""Image statistics with known answers, and references made of them."""

import json
from importlib.resources import files

import numpy as np
import pyarrow as pa
import pytest
from scipy import ndimage

from busgen import schema
from busgen.errors import DataError
from busgen.io import dumps, encode_png
from busgen.quality.descriptors import auc, descriptor_auc
from busgen.quality.measures import GROUPS, image_statistics
from busgen.quality.reference import (
    LEVELS,
    reference_of,
    reference_statistics,
    write_reference,
)
from busgen.real.breast import DATASET
from busgen.real.readers import read_dataset, write_canonical
from busgen.real.reading import Reading
from busgen.real.splits import split_of
from busgen.seeds import rng

SIDE = 128
ASSETS = files("busgen") / "assets" / "reference"


def speckle(k, axial=1.0, lateral=3.0):
    """Return smoothed noise of grey 100 ± 20 with Gaussian correlation (sd in px)."""
    noise = ndimage.gaussian_filter(rng(k, "noise").normal(size=(SIDE, SIDE)), (axial, lateral))
    return np.clip(100 + 20 * noise / noise.std(), 10, 255).astype(np.uint8)


def box_mask(rows=(40, 60), cols=(30, 70)):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[slice(*rows), slice(*cols)] = 255
    return mask


def test_geometry_is_the_masks():
    found = image_statistics(speckle(1), box_mask(), 0.2)
    assert (found["width_mm"], found["height_mm"]) == pytest.approx((8.0, 4.0))
    assert found["aspect"] == pytest.approx(2.0)
    assert found["box_area_fraction"] == pytest.approx(20 * 40 / SIDE**2)
    assert found["center_y"] == pytest.approx(50 / SIDE)


def test_grey_depth_and_contrast_of_flat_halves():
    image = np.full((SIDE, SIDE), 50, np.uint8)
    image[SIDE // 2 :] = 150
    mask = box_mask(rows=(25, 45))
    image[mask > 0] = 20
    found = image_statistics(image, mask, 0.2)
    assert found["contrast"] == pytest.approx(20 - 50)
    assert found["depth_00"] == 50
    assert found["depth_15"] == 150
    assert found["grey_p50"] == pytest.approx(100, abs=50)
    assert found["black"] == 0


def test_speckle_width_is_that_of_its_correlation():
    # Gaussian smoothing with sd s gives an autocorrelation of sd s sqrt(2): FWHM 3.33 s
    found = image_statistics(speckle(2, axial=0.8, lateral=1.6), box_mask(), 0.1)
    assert found["speckle_axial_px"] == pytest.approx(3.33 * 0.8, rel=0.15)
    assert found["speckle_lateral_px"] == pytest.approx(3.33 * 1.6, rel=0.15)
    assert found["speckle_axial_mm"] == pytest.approx(0.1 * found["speckle_axial_px"])


def test_spectrum_slope_of_a_power_law():
    side = 256
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None, :])
    radius[0, 0] = 1
    phase = np.exp(2j * np.pi * rng(3, "phase").random((side, side)))
    field = np.fft.ifft2(radius**-1.25 * phase).real
    image = np.clip(128 + 30 * field / field.std(), 10, 255).astype(np.uint8)
    slope = image_statistics(image, np.zeros_like(image), None)["spectrum_slope"]
    assert slope == pytest.approx(-2.5, abs=0.15)


def test_all_names_are_there_and_finite():
    found = image_statistics(speckle(4), box_mask(), 0.2)
    assert set(found) == {name for names in GROUPS.values() for name in names}
    assert all(np.isfinite(value) for value in found.values())


def test_what_does_not_apply_is_absent():
    empty = np.zeros((SIDE, SIDE), np.uint8)
    normal = image_statistics(speckle(5), empty, 0.2)
    assert not normal.keys() & {"width_mm", "aspect", "contrast"}
    assert "width_mm" not in image_statistics(speckle(5), box_mask(), None)
    assert image_statistics(empty, box_mask(), 0.2) == {"black": 1.0}


def canonical(n):
    """Return a canonical table of n synthetic patients, one in three malignant."""
    rows = []
    for k in range(n):
        rows.append(
            {
                "sample_id": f"breast-{k}",
                "patient_id": f"breast-{k}",
                "dataset": "breast",
                "source_file": f"{k}.png",
                "notes": [],
                "pathology": "malignant" if k % 3 == 0 else "benign",
                "shape": "irregular" if k % 3 == 0 else "oval",
                "margin": ["circumscribed"],
                "echo_pattern": "hypoechoic",
                "halo": False,
                "pixel_mm": 0.1,
                "image": {"bytes": encode_png(speckle(k)), "path": ""},
                "mask": {"bytes": encode_png(box_mask((40, 60 + k))), "path": ""},
            }
        )
    return pa.Table.from_pylist(rows, schema=schema.arrow_schema("real"))


def test_quantiles_by_class():
    told = reference_statistics(canonical(9), size_px=SIDE)
    assert told["levels"] == list(LEVELS)
    heights = told["by_class"]["malignant"]["statistics"]["height_mm"]
    assert heights["n"] == told["by_class"]["malignant"]["n"] == 3
    assert np.interp([0, 0.5, 1], LEVELS, heights["quantiles"]) == pytest.approx([2.0, 2.3, 2.6])
    assert told["by_class"]["all"]["statistics"]["contrast_hypoechoic"]["n"] == 9


def test_crops_carry_their_scale():
    # half the size in pixels, the same in millimetres
    whole = reference_statistics(canonical(3), size_px=SIDE)["by_class"]["all"]["statistics"]
    half = reference_statistics(canonical(3), size_px=SIDE // 2)["by_class"]["all"]["statistics"]
    assert half["width_mm"]["quantiles"] == pytest.approx(whole["width_mm"]["quantiles"], abs=0.2)


def test_reference_leaves_the_training_split_out():
    table = canonical(30)
    told = reference_of(table, size_px=SIDE)
    held_out = [p for p in table["patient_id"].to_pylist() if split_of(p) != "train"]
    assert told["by_class"]["all"]["n"] == len(held_out) < 30
    assert told["n_published"] == 30
    assert told["sources"][0]["licence"] == "CC BY 4.0"
    assert told["descriptor_auc"]["n"] == 30
    json.dumps(told, allow_nan=False)


def test_written_reference_is_that_of_the_canonical_folder(tmp_path):
    table = canonical(24)
    write_canonical(Reading(table, (), DATASET), tmp_path / "breast")
    write_reference(tmp_path / "breast", tmp_path / "reference.json", SIDE)
    written = json.loads((tmp_path / "reference.json").read_text())
    assert written == json.loads(dumps(reference_of(table, SIDE)))


def test_no_images_no_reference(tmp_path):
    with pytest.raises(DataError, match="real images"):
        reference_statistics(canonical(0))
    with pytest.raises(DataError, match=r"table\.parquet"):
        write_reference(tmp_path, tmp_path / "reference.json")


def test_auc_counts_ties_half():
    score = np.array([0.1, 0.4, 0.4, 0.9])
    assert auc(score, np.array([False, False, True, True])) == pytest.approx(3.5 / 4)


def test_descriptor_auc_refuses_few_lesions():
    assert descriptor_auc(canonical(12)) is None


def test_shipped_reference_is_what_breast_gives(real_data):
    again = reference_of(read_dataset("breast", real_data / "BrEaST").table)
    shipped = json.loads((ASSETS / "breast.json").read_text())
    assert again["by_class"]["all"]["n"] == 76
    assert again["descriptor_auc"]["value"] == pytest.approx(0.903, abs=0.005)  # domain.md
    assert again["sources"] == shipped["sources"]
    for name, of_class in shipped["by_class"].items():
        for statistic, record in of_class["statistics"].items():
            ours = again["by_class"][name]["statistics"][statistic]
            assert ours["n"] == record["n"]
            assert ours["quantiles"] == pytest.approx(record["quantiles"], rel=1e-3, abs=1e-3)
