"""Distances with known answers, a release against its own reference, requested and realised."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import ndimage, stats

from busgen import schema
from busgen.errors import DataError
from busgen.io import dumps, encode_png
from busgen.quality.compare import compare
from busgen.quality.descriptors import auc
from busgen.quality.distances import distance, ks, score, wilson
from busgen.quality.realised import realised
from busgen.quality.reference import LEVELS, reference_statistics
from busgen.seeds import rng

SIDE = 64
UNIFORM = list(LEVELS)  # quantiles of the uniform distribution on [0, 1]


def test_ks_is_scipys():
    for k in range(20):
        pick = rng(k, "ks")
        a, b = pick.integers(0, 9, 30).astype(float), pick.integers(2, 11, 45).astype(float)
        assert ks(a, b) == pytest.approx(stats.ks_2samp(a, b).statistic)


def test_auc_is_sklearns():
    from sklearn.metrics import roc_auc_score

    pick = rng(0, "auc")
    score_of, positive = pick.integers(0, 9, 60).astype(float), pick.random(60) < 0.4
    assert auc(score_of, positive) == pytest.approx(roc_auc_score(positive, score_of))


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0)],
)
def test_wilson_interval_equals_published_values(count, total, low, high):
    assert wilson(count, total) == pytest.approx((low, high), abs=1e-4)


def test_distance_to_a_shifted_uniform_is_the_shift():
    values = (np.arange(1000) + 0.5) / 1000 + 0.3
    told = score([distance(values, LEVELS, UNIFORM, 200, rng(0, "d"))])
    assert told["value"] == pytest.approx(0.3, abs=0.005)
    assert told["interval"][0] < 0.3 < told["interval"][1]
    assert (told["n"], told["n_real"]) == (1000, 200)
    # mean of the Kolmogorov distribution is .8687, scaled by sqrt(1/n + 1/m)
    assert told["floor"] == pytest.approx(0.8687 * (1 / 1000 + 1 / 200) ** 0.5, rel=0.1)


def test_floor_is_what_equal_distributions_score():
    pick = rng(1, "d")
    found = [distance(pick.random(60), LEVELS, UNIFORM, 40, pick) for _ in range(20)]
    against_quantiles = np.mean([one.value for one in found])  # no sampling noise on that side
    assert against_quantiles < score(found)["floor"]


def test_a_mean_of_distances_keeps_the_smaller_n():
    pick = rng(2, "d")
    parts = [distance(pick.random(n), LEVELS, UNIFORM, 40, pick) for n in (50, 30)]
    told = score(parts)
    assert told["n"] == 30
    assert told["value"] == pytest.approx(np.mean([one.value for one in parts]), abs=1e-4)


def rows(n, brightness=100, side=SIDE):
    """Return n rows with speckle pictures; every second one malignant."""
    made = []
    for k in range(n):
        pick = rng(k, "row")
        noise = ndimage.gaussian_filter(pick.normal(size=(SIDE, SIDE)), (1, 2))
        image = np.clip(brightness + pick.normal(0, 5) + 20 * noise / noise.std(), 10, 255)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[20 : 30 + pick.integers(10), 10 : 40 + pick.integers(10)] = 255
        image, scale = image.astype(np.uint8), side // SIDE
        image, mask = (np.kron(p, np.ones((scale, scale), np.uint8)) for p in (image, mask))
        made.append(
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
            }
        )
    return made


@pytest.fixture(scope="module")
def reference():
    columns = [schema.BY_NAME[name] for name in rows(1)[0]]
    typed = pa.schema([(column.name, column.type) for column in columns])
    return reference_statistics(pa.Table.from_pylist(rows(60), schema=typed), SIDE)


def write_release(folder, made, group=20):
    names = [name for name in made[0] if name != "source_file"]
    typed = pa.schema([(name, schema.BY_NAME[name].type) for name in names])
    (folder / "data").mkdir(parents=True)
    for k, part in enumerate((made[: len(made) // 2], made[len(made) // 2 :])):
        table = pa.Table.from_pylist([{n: row[n] for n in names} for row in part], schema=typed)
        path = folder / "data" / f"train-{k:05d}-of-00002.parquet"
        pq.write_table(table, path, row_group_size=group)
    return folder


def test_the_same_images_are_at_distance_nought(tmp_path, reference):
    told = compare(write_release(tmp_path / "a release é [1]", rows(60)), reference)
    assert told["n_measured"] == 60
    assert set(told["headline"]) == {
        f"ks_{group}.{term}"
        for group in ("geometry", "grey", "depth", "texture")
        for term in ("benign", "malignant")
    }
    grey = told["headline"]["ks_grey.benign"]
    assert grey["value"] < grey["floor"]
    assert told["scores"]["ks_grey_mean.malignant"]["value"] < 0.05 + 1 / 30  # a level, an image
    assert told["scores"]["ks_height_mm.benign"]["n_real"] == 30
    assert told["levels"] == reference["levels"]
    for key, found in told["scores"].items():
        name, term = key.removeprefix("ks_").split(".")
        measured = reference["by_class"][term]["statistics"][name]["quantiles"]
        assert found["quantiles"] == measured, key
    assert told["scores"]["ks_height_mm.benign"]["group"] == "geometry"
    assert told["scores"]["ks_contrast_hypoechoic.benign"]["group"] == "grey"
    dumps(told)


def test_brighter_images_are_far_in_grey_and_near_in_geometry(tmp_path, reference):
    told = compare(write_release(tmp_path, rows(60, brightness=140)), reference)
    grey = told["scores"]["ks_grey_mean.benign"]
    assert grey["value"] > 0.9
    assert grey["interval"][0] > grey["floor"]
    assert told["headline"]["ks_geometry.benign"]["value"] < 0.1


def test_a_release_of_other_size_is_measured_at_the_references(tmp_path, reference):
    told = compare(write_release(tmp_path, rows(60, side=2 * SIDE)), reference)
    for name in ("ks_width_mm.benign", "ks_speckle_axial_mm.benign", "ks_grey_mean.benign"):
        assert told["scores"][name]["value"] < 0.15


def test_few_images_are_refused_and_named(tmp_path, reference):
    told = compare(write_release(tmp_path, rows(30)), reference)
    assert told["scores"] == {}
    assert told["skipped"]["ks_grey_mean.benign"] == "n 15, n_real 30: below 20"


def test_a_large_release_is_sampled_by_row_groups_and_always_the_same(tmp_path, reference):
    release = write_release(tmp_path, rows(120), group=6)
    first = compare(release, reference, max_samples=50)
    assert first["n_measured"] == 50
    assert compare(release, reference, max_samples=50) == first


def test_descriptors_stand_beside_the_references(tmp_path, reference):
    real = {"value": 0.9, "n": 252, "interval": [0.86, 0.94]}
    told = compare(write_release(tmp_path, rows(60)), {**reference, "descriptor_auc": real})
    found = told["headline"]["descriptor_auc"]
    assert (found["n"], found["n_real"], found["floor"]) == (60, 252, 0.9)
    assert 0.5 < found["value"] < 1.0


def test_bad_releases_and_references(tmp_path, reference):
    with pytest.raises(DataError, match="must hold samples"):
        compare(tmp_path, reference)
    with pytest.raises(DataError, match="by_class"):
        compare(tmp_path, {"scores": {}})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-00000-of-00001.parquet").write_bytes(b"PAR1 truncated")
    with pytest.raises(DataError, match="must be readable"):
        compare(tmp_path, reference)


def test_damage_inside_a_file_and_missing_columns_are_errors(tmp_path, reference):
    release = write_release(tmp_path, rows(60))
    path = next((release / "data").glob("*.parquet"))
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes(len(data) // 2) + data[100 + len(data) // 2 :])
    with pytest.raises(DataError):
        compare(release, reference)
    pq.write_table(pq.read_table(path, columns=["pathology"]), path)
    with pytest.raises(DataError, match="rows must be readable"):
        compare(release, reference)


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
    told = realised(write_index(tmp_path))
    assert told["fields"]["pathology"] == {"benign": {"requested": 3, "accepted": 2}}
    assert told["fields"]["shape"] == {
        "oval": {"requested": 2, "accepted": 2},
        "round": {"requested": 1, "accepted": 0},
    }
    assert told["fields"]["margin"] == {
        "angular": {"requested": 1, "accepted": 1},
        "circumscribed": {"requested": 2, "accepted": 1},
        "indistinct": {"requested": 1, "accepted": 1},
    }
    assert told["fields"]["halo"]["true"] == {"requested": 1, "accepted": 1}
    assert told["fields"]["scanner"] == {}
    assert told["strata"] == [
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
        realised(tmp_path / "index.parquet")
