"""Two releases compared, against what was made to differ."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny_candidates as tiny
from scipy.stats import chi2_contingency, ks_2samp

from busgen.release.diff import diff, to_markdown
from busgen.release.write import write_release


@pytest.fixture(scope="module")
def other(candidates, tmp_path_factory):
    """Return a release whose lesions are wider, its malignant ones all hyperechoic, one changed."""
    folder = shutil.copytree(candidates, tmp_path_factory.mktemp("other") / "candidates")
    index = pq.read_table(folder / "index.parquet")
    rows = index.to_pylist()
    for row in rows:
        if row["pathology"] == "malignant":
            row["echo_pattern"] = "hyperechoic"
        if row["orientation"] == "parallel":
            row["width_mm"] += 5
    pq.write_table(pa.Table.from_pylist(rows, index.schema), folder / "index.parquet")
    plan = json.loads((folder / "plan.json").read_text()) | {"engine": "another"}
    (folder / "plan.json").write_text(json.dumps(plan))
    write_release(folder, folder.parent / "out", tiny.PARAMS)
    return folder.parent / "out"


def test_a_release_does_not_differ_from_itself(release):
    found = diff(release, release)
    assert found["identical_images"] == 29
    assert found["provenance"] == {}
    assert all(terms["total_variation"] == 0 for terms in found["terms"].values())
    assert all(test["ks"] == 0 for test in found["numbers"].values())


def test_what_differs_is_measured(release, other):
    found = diff(release, other)
    echo = found["terms"]["echo_pattern"]
    assert echo["total_variation"] == pytest.approx(9 / 29)
    assert echo["p"] == pytest.approx(chi2_contingency([[0, 28, 1], [9, 19, 1]]).pvalue)
    assert found["terms"]["shape"]["total_variation"] == 0
    widths = [
        [row["width_mm"] for row in pq.read_table(folder / "index.parquet").to_pylist()
         if row["accepted"] and row["width_mm"] is not None]
        for folder in (release, other)
    ]  # fmt: skip
    test = ks_2samp(*widths, method="asymp")
    assert found["numbers"]["width_mm"]["ks"] == pytest.approx(test.statistic)
    assert found["numbers"]["width_mm"]["p"] == pytest.approx(test.pvalue)
    assert found["provenance"] == {"plan.engine": ["phantom", "another"]}
    assert found["gates"]["reasons"] == {"contrast": [4, 4]}
    assert found["counts"]["attempts"] == [33, 33]


def test_a_release_of_another_version_is_compared_by_the_columns_of_both(release, tmp_path):
    earlier = shutil.copytree(release, tmp_path / "earlier")
    index = pq.read_table(earlier / "index.parquet").drop_columns(["intensity", "echo_pattern"])
    index = index.append_column("gain", pa.array([1.0] * len(index)))
    pq.write_table(index, earlier / "index.parquet")
    found = diff(earlier, release)
    assert found["columns"] == [["gain"], ["echo_pattern", "intensity"]]
    assert not {"echo_pattern", "intensity", "gain"} & {*found["terms"], *found["numbers"]}
    assert found["numbers"]["width_mm"]["ks"] == 0
    assert "| gain | echo_pattern, intensity |" in to_markdown(found)
    assert diff(release, release)["columns"] == [[], []]


def test_it_is_json_and_markdown(release, other):
    found = diff(release, other)
    json.dumps(found, allow_nan=False)
    text = to_markdown(found)
    assert "| echo_pattern | 0.310 |" in text
    assert "| plan.engine | phantom | another |" in text
