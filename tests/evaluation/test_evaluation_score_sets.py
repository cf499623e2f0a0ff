"""`busgen score`: what it tells of sets near and far, by stratum, and what it refuses."""

import json
from functools import partial

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import busgen
from busgen.errors import UserError
from busgen.evaluation.score_sets import Options, open_sets, score_sets, subsample
from busgen.image_sets.source import Source
from busgen.io import encode_png
from busgen.metrics import paired_two_sample, two_sample
from busgen.metrics.space_scores import score_space, skipped_strata, strata
from busgen.metrics.spaces.registry import FeatureSpace
from busgen.metrics.two_sample import Recipe
from busgen.seeds import rng
from busgen.stats.bootstrap import Sample

SHARES = ("precision", "recall", "density", "coverage")
SCORES = {"kid", "mmd", "frechet", "vendi", *SHARES}


def plain(images, masks):
    """Return mean, spread and detail of images, and the grey level of a lesion."""
    grey = images.astype(float)
    fine = np.abs(np.diff(grey, axis=1)).mean(axis=(1, 2))
    lesion = [g[m > 0].mean() if m.any() else np.nan for g, m in zip(grey, masks, strict=True)]
    result = np.stack([grey.mean(axis=(1, 2)), grey.std(axis=(1, 2)), fine, lesion], axis=1)
    return (result - [100, 20, 15, 100]) / [5, 1, 1, 5]


TINY = FeatureSpace("tiny", "0" * 64, plain)


def source(make_image, numbers, tmp_path, change=None, **columns):
    """Return a set of speckle images in memory, of patients of two."""
    pairs = [make_image(k) for k in numbers]
    changed = [(change(image) if change else image, mask) for image, mask in pairs]
    rows = [
        {"patient": f"p{k // 2}", "pathology": ("benign", "malignant")[k % 3 == 0]}
        | {name: value(k) for name, value in columns.items()}
        for k in numbers
    ]
    return Source(tmp_path, "memory", rows, lambda few: (changed[k] for k in few), "patient")


def blurred(image):
    return cv2.GaussianBlur(image, (0, 0), 1.0)


def scored(a, b, **asked):
    return score_sets((a, b), (TINY,), Options(draws=30, size_px=64, **asked), lambda _: 0)


def test_folders_are_scored_by_name(make_image, tmp_path):
    for name, numbers in (("a", range(60)), ("b", range(100, 220))):
        (tmp_path / name).mkdir()
        for k in numbers:
            (tmp_path / name / f"{k}.png").write_bytes(encode_png(make_image(k)[0]))
    few = Options(draws=10, size_px=64)
    record = busgen.score(tmp_path / "a", tmp_path / "b", spaces=["radiomic"], options=few)
    assert (record["a"]["n"], record["b"]["n"]) == (60, 120)
    found = record["scores"]["all"]["kid_radiomic"]
    assert found["value"] < 2 * found["floor_limit"]


def test_like_images_are_within_the_floor_and_blurred_ones_far_beyond(make_image, tmp_path):
    real = source(make_image, range(100, 220), tmp_path)
    same = scored(source(make_image, range(60), tmp_path), real)
    soft = scored(source(make_image, range(60), tmp_path, blurred), real)
    assert set(same["scores"]["all"]) == {f"{name}_tiny" for name in SCORES}
    for name, score in same["scores"]["all"].items():
        sign = 1 if score["bad"] == "high" else -1
        assert sign * score["value"] < sign * score["floor_limit"], name
        assert (score["n"], score["space"], score["version"]) == (59, "tiny", "0" * 12)
    for name in ("kid", "mmd", "frechet"):
        worse = soft["scores"]["all"][f"{name}_tiny"]
        assert worse["value"] > 3 * worse["floor_limit"], name
    assert soft["scores"]["all"]["coverage_tiny"]["value"] < 0.2
    assert same["notes"] == []
    assert same["a"] == {
        "path": str(tmp_path), "form": "memory", "n": 60, "groups": 30, "side_px": 64.0
    }  # fmt: skip
    assert json.dumps(same) == json.dumps(scored(source(make_image, range(60), tmp_path), real))


def test_strata_have_scores_of_their_own_or_the_reason_why_not(make_image, tmp_path):
    a, b = (source(make_image, n, tmp_path) for n in (range(90), range(100, 240)))
    result = scored(a, b, by=("pathology",))
    assert list(result["scores"]) == ["all", "pathology=benign", "pathology=malignant"]
    benign = result["scores"]["pathology=benign"]["kid_tiny"]
    assert benign["n"] == (sum(k % 3 > 0 for k in range(100, 240)) - 2) // 2
    few = scored(a, source(make_image, range(100, 150), tmp_path), by=("pathology",))
    assert "below 20" in few["skipped"]["pathology=malignant"]["tiny"]
    assert [rows[0].size for _, rows in strata(a, b, ("pathology",))] == [90, 60, 30]


def test_all_images_stand_against_each_real_scanner_where_none_is_in_both(make_image, tmp_path):
    names = ("GE Logiq 7", "GE Logiq 5", "U-Systems")
    a = source(
        make_image, range(30), tmp_path, scanner=lambda _: "linear_10mhz", site=lambda k: k % 2
    )
    b = source(
        make_image,
        range(100, 206),
        tmp_path,
        scanner=lambda k: names[0 if k < 146 else 1 if k < 196 else 2],
        site=lambda k: k % 3,
    )
    result = scored(a, b, by=("scanner",))
    assert list(result["scores"]) == [
        "all",
        "against scanner=GE Logiq 5",
        "against scanner=GE Logiq 7",
    ]
    found = result["scores"]["against scanner=GE Logiq 7"]["kid_tiny"]
    assert found["n"] == 22  # of 23 patients of two, halved
    assert result["skipped"]["scanner"] == {
        "all": "no value in both: a has linear_10mhz; b has GE Logiq 5, GE Logiq 7, U-Systems"
    }
    assert result["skipped"]["against scanner=U-Systems"] == {"all": "10 images of b: below 40"}
    sites = [name for name, _ in strata(a, b, ("site",))]
    assert sites == ["all", "site=0", "site=1"]


def test_values_of_one_set_alone_are_told(make_image, tmp_path):
    a = source(make_image, range(30), tmp_path, site=lambda k: k % 2)
    b = source(make_image, range(100, 200), tmp_path, site=lambda k: k % 3, view=lambda k: k)
    assert skipped_strata(a, a, ("site",)) == {}
    assert skipped_strata(a, b, ("site",)) == {
        "site": {"all": "not in both: a alone has none; b alone has 2"}
    }
    (reason,) = skipped_strata(b, a, ("view",))["view"].values()
    assert reason == "no value in both: a has 100, 101, 102, 103, 104 and 95 more; b has none"


def test_images_without_a_lesion_leave_its_coordinates_out_and_a_note_says_so(make_image, tmp_path):
    a, b = (source(make_image, n, tmp_path) for n in (range(30), range(100, 160)))
    images = [make_image(k)[0] for k in range(30)]
    bare = Source(a.path, a.form, a.rows, lambda few: ((images[k], 0 * images[k]) for k in few))
    result = scored(bare, b)
    assert "1 coordinates of lesions left out, which 30 and 0 images" in result["notes"][0]
    assert "kid_tiny" in result["scores"]["all"]


def test_where_no_coordinate_is_measured_of_all_images_nothing_is_scored():
    pick = rng(0, "none")
    samples = tuple(Sample(pick.normal(size=(n, 3)), np.arange(n).astype(str)) for n in (30, 60))
    samples[0].points[4] = np.nan
    result = score_space(TINY, samples, 5)
    assert result.scores == {}
    assert result.skipped == {"tiny": "no coordinate that all images have"}


def test_few_images_have_no_frechet_distance_unless_it_is_fid():
    pick = rng(0, "wide")
    samples = tuple(Sample(pick.normal(size=(n, 30)), np.arange(n).astype(str)) for n in (40, 100))
    wide = FeatureSpace("wide", "1" * 64, plain)
    result = score_space(wide, samples, 5)
    assert "2 images a dimension, got n 40 for 30" in result.skipped["frechet_wide"]
    ranked = score_space(FeatureSpace("wide", "1" * 64, plain, ranked=True), samples, 5)
    assert "frechet_wide" in ranked.scores
    fid = score_space(FeatureSpace("wide", "1" * 64, plain, fid=True), samples, 5)
    assert "fid_wide" in fid.scores
    assert "frechet_wide" not in fid.scores


def test_where_nothing_can_be_scored_that_is_an_error(make_image, tmp_path):
    a, b = (source(make_image, n, tmp_path, owner=lambda _: "one") for n in (range(30), range(60)))
    with pytest.raises(UserError, match=r"must have a score, got tiny: .* families and patients"):
        scored(a, b, group="owner")


def test_large_sets_are_cut_by_whole_groups_always_the_same(make_image, tmp_path):
    large = source(make_image, range(60), tmp_path)
    some = subsample(large, None, 20)
    assert len(some) == 20
    assert np.unique(some.groups(), return_counts=True)[1].tolist() == [2] * 10
    assert list(some.rows) == list(subsample(large, None, 20).rows)


def test_images_that_are_in_both_sets_are_told(make_image, tmp_path):
    a, b = (source(make_image, numbers, tmp_path) for numbers in (range(30), range(10, 80)))
    (note,) = (note for note in scored(a, b)["notes"] if "pixel by pixel" in note)
    assert note.startswith("20 images of the first set are in the second too")


def test_patients_in_both_sets_and_training_patients_are_told(make_image, tmp_path):
    a = source(make_image, range(30), tmp_path)
    b = source(make_image, range(20, 110), tmp_path, split=lambda k: "train" if k < 50 else "test")
    notes = scored(a, b)["notes"]
    assert any(note.startswith("5 patients are in both sets") for note in notes)
    assert any(note.startswith("30 images of the second set are of its training") for note in notes)
    assert not any("training" in note for note in scored(a, b.select(["test"]))["notes"])


def test_a_classifier_is_reported_beside_a_known_bad_set(make_image, tmp_path):
    a, b = (source(make_image, n, tmp_path) for n in (range(40), range(100, 150)))
    quick = Recipe(folds=2, steps=6, batch=8, patch_px=32, widths=(4, 8), half_precision=False)
    pair = (a, b), (a.groups(), b.groups())
    result, notes = paired_two_sample.two_sample(*pair, ("pathology",), 64, quick)
    assert set(result) == {"two_sample", "two_sample_known_bad"}
    assert result["two_sample"]["n"] == 20  # families
    assert result["two_sample"]["floor"] == 0.5
    known = result["two_sample_known_bad"]["value"]
    assert bool(notes) == (known < 0.8)


# the command


@pytest.fixture(scope="module")
def lots(tmp_path_factory, make_image):
    """Return a folder, a Parquet file and a saved dataset of images, and an extractor."""
    datasets = pytest.importorskip("datasets")
    root = tmp_path_factory.mktemp("lots é")
    (root / "folder").mkdir()
    for k in range(24):
        image, mask = make_image(k)
        (root / "folder" / f"{k}.png").write_bytes(encode_png(image))
        (root / "folder" / f"{k}_mask.png").write_bytes(encode_png(mask))
    images = [encode_png(make_image(k)[0]) for k in range(100, 144)]
    columns = {"patient": [f"p{k // 2}" for k in range(44)], "class": ["a", "b"] * 22}
    cells = [{"bytes": one, "path": None} for one in images]
    pq.write_table(pa.table({"image": images} | columns), root / "real.parquet")
    features = datasets.Features(
        {"image": datasets.Image()} | dict.fromkeys(columns, datasets.Value("string"))
    )
    generated = datasets.Dataset.from_dict({"image": cells} | columns, features=features)
    generated.save_to_disk(root / "saved")
    net = torch.nn.Sequential(torch.nn.AvgPool2d(100), torch.nn.Flatten())
    torch.jit.trace(net, torch.zeros(1, 3, 299, 299)).save(str(root / "pool.pt"))
    return root


def test_a_folder_against_parquet_and_a_saved_dataset(lots, call, tmp_path):
    words = ["--space", lots / "pool.pt", "--allow-code", "--size", 64, "--group", "patient"]
    code, shown, phrases = call(
        "score", lots / "folder", "--against", lots / "real.parquet", *words, "--json"
    )
    assert code == 0, phrases
    record = json.loads(shown)
    assert set(record["scores"]["all"]) == {
        f"{name}_pool" for name in (SCORES - {"frechet"}) | {"fid"}
    }
    assert record["scores"]["all"]["fid_pool"]["n"] == 21
    assert (record["a"]["groups"], record["b"]["groups"]) == (24, 22)
    file = tmp_path / "é" / "scores.json"
    words += ["--out", file]
    code, shown, phrases = call("score", lots / "folder", "--against", lots / "saved", *words)
    assert code == 0, phrases
    assert "kid_pool" in shown
    assert json.loads(file.read_text())["scores"] == record["scores"]


def test_a_column_of_images_is_named(lots, call, tmp_path):
    real = pq.read_table(lots / "real.parquet")
    pq.write_table(real.rename_columns(["scan", *real.column_names[1:]]), tmp_path / "x.parquet")
    words = [
        "--against",
        tmp_path / "x.parquet",
        "--space",
        lots / "pool.pt",
        "--allow-code",
        "--size",
        64,
    ]
    code, _, phrases = call("score", lots / "folder", *words)
    assert (code, "busgen score --image" in phrases) == (2, True)
    code, shown, phrases = call("score", lots / "folder", *words, "--image", "scan", "--json")
    assert code == 0, phrases
    assert json.loads(shown)["b"]["n"] == 44


def test_a_classifier_is_asked_by_the_command(lots, call, monkeypatch):
    """It learns for a few steps only: what it tells is tested in test_quality_two_sample.py."""
    quick = partial(Recipe, folds=2, steps=6, batch=8, widths=(4, 8), half_precision=False)
    monkeypatch.setattr(two_sample, "Recipe", quick)
    words = [
        "--space",
        lots / "pool.pt",
        "--allow-code",
        "--size",
        96,
        "--group",
        "patient",
        "--two-sample",
    ]
    sets = ["score", lots / "folder", "--against", lots / "real.parquet"]
    code, shown, phrases = call(*sets, *words, "--json")
    assert code == 0, phrases
    record = json.loads(shown)
    result, known = (record["scores"]["all"][f"two_sample{end}"] for end in ("", "_known_bad"))
    assert (result["n"], result["floor"], result["space"], result["bad"]) == (
        24,
        0.5,
        "pixels",
        "high",
    )
    assert result["interval"][0] <= result["value"] <= result["interval"][1]
    assert any(note.startswith("two_sample: a known-bad") for note in record["notes"]) == (
        known["value"] < 0.8
    )
    code, shown, phrases = call(*sets, *words)
    assert code == 0, phrases
    assert "two_sample" in shown


def test_radiomic_scores_by_stratum(lots, call):
    words = ["--space", "radiomic", "--size", 64, "--by", "class"]
    code, shown, phrases = call(
        "score", lots / "saved", "--against", lots / "real.parquet", *words, "--json"
    )
    assert code == 0, phrases
    record = json.loads(shown)
    assert record["spaces"]["radiomic"]["dimensions"] == 56
    assert "kid_radiomic" in record["scores"]["all"]
    assert set(record["skipped"]) == {"all", "class=a", "class=b"}
    assert record["notes"][0].startswith("44 images of the first set are in the second too")
    assert "5 coordinates of lesions left out" in record["notes"][1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--by", "colour"], "colour must be a column of both sets"),
        (["--group", "owner"], "owner must be a column of one of the sets"),
        (["--split", "test"], "must hold images of the splits test, got no splits"),
        (["--space", "net.onnx"], "a feature space must be us64, radiomic, lite1, a TorchScript"),
        (["--size", "8"], "size in [32, 4096], got 1000, 8"),
        (["--most", "3"], "most must be 20 or more"),
        (
            ["--image", "scan"],
            "scan must be a column of images (bytes, or bytes and path) of one",
        ),
        (["--mask", "outline"], "outline must be a column of images"),
        (["--size", "64", "--two-sample"], "a size of 96 px or more, got 64"),
    ],
)
def test_a_users_mistake_is_one_message_exit_code_2_and_nothing_written(
    lots, call, tmp_path, words, message
):
    out = tmp_path / "scores.json"
    code, _, phrases = call(
        "score", lots / "folder", "--against", lots / "real.parquet", *words, "--out", out
    )
    assert (code, out.exists()) == (2, False)
    assert message in phrases


def test_sets_that_are_too_small_are_refused(lots, call):
    code, _, phrases = call("score", lots / "real.parquet", "--against", lots / "folder")
    assert code == 2
    assert "must hold 40 images or more: fewer say nothing, got 24" in phrases
    code, _, phrases = call("score", lots / "nowhere", "--against", lots / "folder")
    assert (code, "must be a folder or file" in phrases) == (2, True)


def test_of_canonical_data_held_out_patients_are_the_default(tmp_path, make_real):
    folder = make_real(tmp_path / "real", ["train", "test"] * 50)
    a, b = open_sets((folder, folder), (["train"], None), Options())
    assert (len(a), len(b)) == (50, 50)
    assert set(b.values("split")) == {"test"}
    assert next(b.load([3]))[0].shape == (256, 256)
    with pytest.raises(UserError, match="splits validation, got test, train"):
        open_sets((folder, folder), (None, ["validation"]), Options())
