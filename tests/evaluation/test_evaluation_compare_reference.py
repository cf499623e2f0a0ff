"""A release against a reference of its own images; requested and realised."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import ndimage

from busgen import schema
from busgen.errors import DataError
from busgen.evaluation import compare_reference
from busgen.evaluation.reference import Reference
from busgen.evaluation.stage import count_requests
from busgen.gates.calibration.real_samples import measure
from busgen.io import dumps, encode_png, write_text
from busgen.schema import JUDGED
from busgen.seeds import rng

SIDE = 64


def rows(n, brightness=100, side=SIDE):
    """Return n rows with speckle images; every second one malignant."""
    generated = []
    for k in range(n):
        pick = rng(k, "row")
        noise = ndimage.gaussian_filter(pick.normal(size=(SIDE, SIDE)), (1, 2))
        image = np.clip(brightness + pick.normal(0, 5) + 20 * noise / noise.std(), 10, 255)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[20 : 30 + pick.integers(10), 10 : 40 + pick.integers(10)] = 255
        image, scale = image.astype(np.uint8), side // SIDE
        image, mask = (np.kron(p, np.ones((scale, scale), np.uint8)) for p in (image, mask))
        generated.append(
            {
                "pathology": "malignant" if k % 2 else "benign",
                "shape": "irregular" if k % 4 else "oval",
                "margin": ["indistinct", "angular"] if k % 4 else ["circumscribed"],
                "echo_pattern": "hypoechoic",
                "posterior": "none",
                "halo": k % 3 == 0,
                "calcification": "none",
                "pixel_mm": 0.4 / scale,
                "image": {"bytes": encode_png(image), "path": f"{k}.png"},
                "mask": {"bytes": encode_png(mask), "path": f"{k}.png"},
                "source_file": f"{k}.png",
                "family_id": f"family {k}",
            }
        )
    return generated


@pytest.fixture(scope="module")
def reference():
    """Return a reference of 60 images, two a patient, half of them of a scanner of its own."""
    canonical = [
        row
        | {
            "dataset": "breast",
            "scanner": "Ünit 7" if k < 30 else None,
            "split": "test",
            "cluster_id": f"breast-{k // 2}",
            "flags": [],
            "ignore": None,
        }
        for k, row in enumerate(rows(60))
    ]
    return Reference({"size_px": SIDE}, measure(canonical, None, SIDE))


def write_release(folder, made, group=20, **scores):
    """Write rows as a release; `scores` are the judges', None where none were asked."""
    request = dict.fromkeys(JUDGED) | scores
    made = [row | request for row in made]
    names = [name for name in made[0] if name != "source_file"]
    typed = pa.schema([(name, schema.BY_NAME[name].type) for name in names])
    (folder / "data").mkdir(parents=True)
    for k, part in enumerate((made[: len(made) // 2], made[len(made) // 2 :])):
        table = pa.Table.from_pylist([{n: row[n] for n in names} for row in part], schema=typed)
        path = folder / "data" / f"train-{k:05d}-of-00002.parquet"
        pq.write_table(table, path, row_group_size=group)
    return folder


def test_the_same_images_are_at_distance_nought(tmp_path, reference):
    result = compare_reference.compare(
        write_release(tmp_path / "a release é [1]", rows(60)), reference
    )
    assert result["n_measured"] == 60
    assert set(result["headline"]) == {
        f"ks_{group}.{term}"
        for group in ("geometry", "grey", "depth", "texture")
        for term in ("benign", "malignant")
    }
    assert result["headline"]["ks_grey.benign"]["value"] == 0
    for key, found in result["scores"].items():
        assert found["value"] == 0, key
        assert found["n"] == found["n_real"] == 30, key
        assert found["quantiles"] == pytest.approx(found["real_quantiles"], rel=1e-4), key
        assert len(found["quantiles"]) == len(result["levels"])
    assert result["scores"]["ks_height_mm.benign"]["group"] == "geometry"
    assert result["scores"]["ks_contrast_hypoechoic.benign"]["group"] == "grey"
    assert result["reference"]["n"] == {"benign": 30, "malignant": 30}
    dumps(result)


def test_both_classes_are_pooled_and_each_scanner_stands_alone(tmp_path, reference):
    result = compare_reference.compare(write_release(tmp_path, rows(60)), reference)
    assert (result["pooled"]["n"], result["pooled"]["n_real"]) == (60, 60)
    assert result["pooled"]["headline"]["ks_texture"]["value"] == 0
    assert {name: one["n_real"] for name, one in result["scanners"].items()} == {
        "BrEaST": 30,
        "Ünit 7": 30,
    }
    texture = result["scanners"]["BrEaST"]["headline"]["ks_texture"]
    assert (texture["n"], texture["n_real"]) == (60, 30)
    assert 0 < texture["value"] < texture["floor"]  # half of the same images


def test_brighter_images_are_far_in_grey_and_near_in_geometry(tmp_path, reference):
    result = compare_reference.compare(write_release(tmp_path, rows(60, brightness=140)), reference)
    grey = result["scores"]["ks_grey_mean.benign"]
    assert grey["value"] > 0.9
    assert grey["interval"][0] > grey["floor"]
    assert result["headline"]["ks_geometry.benign"]["value"] < 0.1
    assert result["pooled"]["headline"]["ks_grey"]["value"] > 0.5


def test_a_release_of_other_size_is_measured_at_the_references(tmp_path, reference):
    result = compare_reference.compare(write_release(tmp_path, rows(60, side=2 * SIDE)), reference)
    for name in ("ks_width_mm.benign", "ks_speckle_axial_mm.benign", "ks_grey_mean.benign"):
        assert result["scores"][name]["value"] < 0.15


def test_few_images_are_refused_and_named(tmp_path, reference):
    result = compare_reference.compare(write_release(tmp_path, rows(30)), reference)
    assert result["scores"] == {}
    assert result["skipped"]["ks_grey_mean.benign"] == "n 15, n_real 30: below 20"


def test_judges_scores_are_compared_where_the_same_judges_were_asked(tmp_path, reference):
    real = reference.samples
    for name in ("gate_mask_agreement", "gate_label_confidence"):
        place = real.column_names.index(name)
        real = real.set_column(place, name, pa.array([0.75] * 60, pa.float32()))
    judged = Reference(reference.facts | {"judges_sha256": "a" * 64}, real)
    release = write_release(tmp_path, rows(60), mask_agreement=0.5, label_confidence=0.75)
    for sha256, names in (("a" * 64, {"mask_agreement", "label_confidence"}), ("b" * 64, set())):
        write_text(release / "provenance.json", dumps({"plan": {"judges_sha256": sha256}}))
        result = compare_reference.compare(release, judged)
        group = {k: v for k, v in result["scores"].items() if v["group"] == "judges"}
        assert set(group) == {f"ks_{n}.{t}" for n in names for t in ("benign", "malignant")}
        if group:
            assert group["ks_mask_agreement.benign"]["value"] == 1
            assert group["ks_label_confidence.benign"]["value"] == 0
            assert result["headline"]["ks_judges.benign"]["value"] == 0.5


def test_a_large_release_is_sampled_by_row_groups_and_always_the_same(tmp_path, reference):
    release = write_release(tmp_path, rows(120), group=6)
    first = compare_reference.compare(release, reference, max_samples=50)
    assert first["n_measured"] == 50
    assert compare_reference.compare(release, reference, max_samples=50) == first


def test_descriptors_stand_beside_the_references(tmp_path, reference):
    real = {"value": 0.9, "n": 252, "interval": [0.86, 0.94]}
    described = Reference(reference.facts | {"descriptor_auc": real}, reference.samples)
    found = compare_reference.compare(write_release(tmp_path, rows(60)), described)["headline"][
        "descriptor_auc"
    ]
    assert (found["n"], found["n_real"], found["floor"]) == (60, 252, 0.9)
    assert 0.5 < found["value"] < 1.0


def test_bad_releases(tmp_path, reference):
    with pytest.raises(DataError, match="must hold samples"):
        compare_reference.compare(tmp_path, reference)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-00000-of-00001.parquet").write_bytes(b"PAR1 truncated")
    with pytest.raises(DataError, match="must be readable"):
        compare_reference.compare(tmp_path, reference)


def test_damage_inside_a_file_and_missing_columns_are_errors(tmp_path, reference):
    release = write_release(tmp_path, rows(60))
    path = next((release / "data").glob("*.parquet"))
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes(len(data) // 2) + data[100 + len(data) // 2 :])
    with pytest.raises(DataError):
        compare_reference.compare(release, reference)
    pq.write_table(pq.read_table(path, columns=["pathology"]), path)
    with pytest.raises(DataError, match="rows must be readable"):
        compare_reference.compare(release, reference)


def attempt(k, attempt, accepted, reason=None):
    terms = {
        "pathology": "benign",
        "shape": "oval" if k < 2 else "round",
        "margin": ["indistinct", "angular"] if k == 0 else ["circumscribed"],
        "halo": k == 0,
    }
    fields = ("birads", "tissue", "orientation", "echo_pattern", "posterior", "calcification")
    rest = dict.fromkeys((*fields, "scanner"))
    return rest | terms | {"attempt": attempt, "accepted": accepted, "reason": reason}


def write_index(folder):
    attempts = [
        attempt(0, 0, False, "contrast"),
        attempt(0, 1, True),
        attempt(1, 0, True),
        attempt(2, 0, False, "contrast"),
        attempt(2, 1, False, "grey_sd"),
    ]
    typed = pa.schema([(name, schema.BY_NAME[name].type) for name in attempts[0]])
    pq.write_table(pa.Table.from_pylist(attempts, schema=typed), folder / "index.parquet")
    return folder / "index.parquet"


def test_realised_counts_findings_once_and_attempts_by_stratum(tmp_path):
    result = count_requests(write_index(tmp_path))
    assert result["fields"]["pathology"] == {"benign": {"requested": 3, "accepted": 2}}
    assert result["fields"]["shape"] == {
        "oval": {"requested": 2, "accepted": 2},
        "round": {"requested": 1, "accepted": 0},
    }
    assert result["fields"]["margin"] == {
        "angular": {"requested": 1, "accepted": 1},
        "circumscribed": {"requested": 2, "accepted": 1},
        "indistinct": {"requested": 1, "accepted": 1},
    }
    assert result["fields"]["halo"]["true"] == {"requested": 1, "accepted": 1}
    assert result["fields"]["scanner"] == {}
    assert result["strata"] == [
        {
            "pathology": "benign",
            "shape": "oval",
            "attempts": 3,
            "accepted": 2,
            "reasons": {"contrast": 1},
        },
        {
            "pathology": "benign",
            "shape": "round",
            "attempts": 2,
            "accepted": 0,
            "reasons": {"contrast": 1, "grey_sd": 1},
        },
    ]


def test_realised_needs_an_index(tmp_path):
    with pytest.raises(DataError, match=r"index\.parquet"):
        count_requests(tmp_path / "index.parquet")
