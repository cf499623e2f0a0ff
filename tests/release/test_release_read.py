"""One image, one row, counts by stratum, exactly as written."""

import numpy as np
import pytest
import tiny_candidates as tiny

from busgen.errors import UserError
from busgen.io import sha256_array
from busgen.release.files import INDEX
from busgen.release.read import count_by, open_release, read_image, read_mask, read_row


def test_every_image_is_found_and_is_its_own(release):
    opened = open_release(release)
    for k in range(tiny.N):
        if k != tiny.GIVEN_UP:
            name = tiny.sample_id(k)
            row = read_row(opened, name, ["sample_id", "image_sha256"])
            assert row["sample_id"] == name
            assert sha256_array(read_image(opened, name)) == row["image_sha256"]
    assert not read_mask(release, tiny.sample_id(tiny.NORMAL)).any()
    assert set(np.unique(read_mask(release, tiny.sample_id(1)))) == {0, 255}


def test_rows_are_read_when_asked(release):
    rows = open_release(release).rows
    assert rows.count_rows() == 29
    assert rows.to_table(columns=["shape"]).num_columns == 1


def test_an_unknown_sample_names_the_nearest(release):
    with pytest.raises(UserError, match="nearest: busgen-000002,"):
        read_image(release, "busgen-00002")
    with pytest.raises(UserError, match="nearest"):
        read_image(release, tiny.sample_id(tiny.GIVEN_UP))


def test_counts_by_stratum(release):
    table = count_by(release / INDEX, ["pathology", "shape"]).to_pylist()
    assert table == [
        {"pathology": "benign", "shape": "oval", "n": 19},
        {"pathology": "malignant", "shape": "irregular", "n": 9},
        {"pathology": "normal", "shape": None, "n": 1},
    ]
    with pytest.raises(UserError, match="colour"):
        count_by(release / INDEX, ["colour"])


def test_a_folder_that_is_no_release_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"must hold index\.parquet"):
        open_release(tmp_path)
