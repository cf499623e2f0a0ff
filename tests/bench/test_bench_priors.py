"""The benchmark of the prior: its own counting."""

import numpy as np
import pytest

from busgen.bench import harness
from busgen.bench.priors import benchmark
from busgen.errors import UserError


def test_a_rehearsal_measures_every_bar(real_data):
    if not (real_data / benchmark.WHU).is_file():
        pytest.skip(f"no {benchmark.WHU} in {real_data}")
    record = harness.run("priors", quick=True)
    assert set(record["bars"]) <= set(record["figures"])
    assert record["bars"]["contradictions"]["holds"]
    real, drawn = (record["figures"][f"class_auc_descriptors{end}"] for end in ("_real", ""))
    assert drawn["interval"][0] < real["value"] < drawn["interval"][1]


def test_areas_are_read_as_published(tmp_path):
    path = tmp_path / "information.csv"
    path.write_text("malignant,mask_area_cm2\n1,6.6\n0,0.2\n", encoding="utf-8")
    areas, malignant = benchmark._read_sizes(path)
    assert areas.tolist() == [6.6, 0.2]
    assert malignant.tolist() == [True, False]
    with pytest.raises(UserError, match="needs the table of BUSI-WHU"):
        benchmark._read_sizes(tmp_path / "none.csv")


def test_a_class_that_one_term_tells_is_told():
    rng = np.random.default_rng(0)
    truth = np.arange(100) % 2 == 0
    rows = [
        {name: terms[0] for name, terms in benchmark.TERMS.items()}
        | {"margin": ["spiculated" if one else "circumscribed"], "halo": False}
        for one in truth
    ]
    value, (low, high) = benchmark._crossed(benchmark._columns(rows, sized=False), truth, rng)
    assert value == low == high == 1.0


def test_sizes_of_real_and_drawn_lesions_are_of_their_squares():
    box = {"crop_width": 0.25, "crop_height": 0.5, "crop_center_y": 0.5}
    assert benchmark._real_sizes(box | {"width_mm": 10.0}) == (10.0, 20.0, 0.5, 200.0, 20.0)
    drawn = {"width_mm": 10.0, "height_mm": 20.0, "center_y": 0.5, "pixel_mm": 40 / 256}
    assert benchmark._drawn_sizes(drawn) == (10.0, 20.0, 0.5, 200.0, 20.0)


def test_a_lesion_without_a_scale_has_a_ratio_alone():
    box = {"crop_width": 0.25, "crop_height": 0.5, "crop_center_y": 0.5, "width_mm": None}
    width, height, ratio, area, depth = benchmark._real_sizes(box)
    assert ratio == 0.5
    assert np.isnan([width, height, area, depth]).all()
