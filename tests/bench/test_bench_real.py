"""The benchmark of real data: its own counting, on images whose truth is known."""

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from busgen.bench import harness
from busgen.bench.real import benchmark, near_duplicates, overlays, reading
from busgen.errors import UserError
from busgen.io import encode_png
from busgen.real.cohort import SCHEMA
from busgen.similarity.registration import make_thumbnail


def speckle(seed, shape=(240, 300)):
    """Return an image of coarse and fine speckle."""
    rng = np.random.default_rng([7, seed])
    waves = [cv2.GaussianBlur(rng.normal(size=shape), (0, 0), s) * s for s in (2.0, 8.0)]
    return np.clip(110 + 60 * (waves[0] + waves[1]), 12, 245).astype(np.uint8)


def test_a_missing_dataset_is_refused_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("BUSGEN_REAL", str(tmp_path))
    (tmp_path / "BrEaST").mkdir()
    with pytest.raises(UserError, match=r"got no BUS-BRA in .*: set BUSGEN_REAL"):
        harness.run("real")


def test_bars_hold_only_beyond_their_bound(monkeypatch):
    figures = {key: harness.Figure(bar.bound, "1", 1) for key, bar in benchmark.BARS.items()}
    monkeypatch.setattr(benchmark, "measure", lambda *, quick: figures)
    bars = harness.run("real")["bars"]
    strict = {key for key, bar in benchmark.BARS.items() if bar.op == ">"}
    assert len(strict) == 2
    assert {key for key, bar in bars.items() if not bar["holds"]} == strict


def test_what_benchmarks_read_of_the_checkout_is_there():
    assert overlays.LISTED.is_file()


def test_a_share_has_wilsons_interval():
    found = harness.share(8, 10)
    assert (found.value, found.n) == (0.8, 10)
    np.testing.assert_allclose(found.interval, (0.4901625, 0.9433178), atol=1e-6)


def test_links_keep_a_image_with_its_masks_and_all_tables(tmp_path):
    names = ("benign (3).png", "benign (3)_mask_1.png", "benign (4).png", "list.csv")
    for folder in reading.FOLDERS.values():
        (tmp_path / "all" / folder / "sub").mkdir(parents=True)
        for name in names:
            (tmp_path / "all" / folder / "sub" / name).write_bytes(name.encode())
    some = reading.link_folder(tmp_path / "all", tmp_path / "some", lambda n: n % 3 == 0)
    for folder in reading.FOLDERS.values():
        kept = sorted((some / folder / "sub").iterdir())
        assert [path.name for path in kept] == [n for n in sorted(names) if "(4)" not in n]
        assert all(path.read_bytes() == path.name.encode() for path in kept)


def test_copies_are_found_planted_and_not_confused():
    images = [speckle(seed) for seed in range(6)]
    result = near_duplicates.recall(images)
    assert result["planted_copy_recall"].n == 24
    assert result["planted_flip_recall"].value == 1
    assert result["planted_copy_recall"].value >= 0.8
    assert result["planted_false_links"].value == 0
    assert result["planted_false_links"].n == 30 * 29 // 2


def test_alike_are_copies_and_mirrored_copies_alone():
    images = [speckle(0), speckle(1), speckle(0)[:, ::-1], speckle(1) // 2 + 20]
    assert near_duplicates._alike([make_thumbnail(image) for image in images]) == [(0, 2), (1, 3)]


def test_crops_are_smaller_and_mirrors_exact():
    image, pick = speckle(2), np.random.default_rng(0)
    np.testing.assert_array_equal(near_duplicates.mirror(image, pick), np.fliplr(image))
    for _ in range(20):
        height, width = near_duplicates.crop(image, pick).shape
        assert 0.75 * 240 * 2 / 3 - 2 < height < 0.95 * 240
        assert 0.75 * 300 * 2 / 3 - 2 < width < 0.95 * 300


def test_leaks_of_a_patient_are_counted_in_pairs():
    patients = ["a", "b", "a", "a"]
    rows = [{"dataset": "busi", "patient_id": patient} for patient in patients]
    assert sorted(near_duplicates._of_one_patient(rows)) == [(0, 2), (0, 3), (2, 3)]


def test_planted_overlays_are_searched_and_tissue_counted(monkeypatch):
    row = {"dataset": "breast", "sample_id": "one", "image": {"bytes": encode_png(speckle(3))}}
    monkeypatch.setattr(overlays, "find_overlays", lambda image: np.ones(image.shape, bool))
    everything = overlays.search(0, row)
    assert all(one.n_found == one.planted == 1 for one in everything.n_found.values())
    assert 0 < everything.lost == everything.field < 240 * 300
    monkeypatch.setattr(overlays, "find_overlays", lambda image: np.zeros(image.shape, bool))
    nothing = overlays.search(0, row)
    assert all(one.n_found == 0 for one in nothing.n_found.values())
    assert (nothing.lost, nothing.field) == (0, everything.field)
    tiny = row | {"image": {"bytes": encode_png(speckle(3, (80, 200)))}}
    assert overlays.search(0, tiny) is None


def test_listed_images_of_training_patients_do_not_count(tmp_path, monkeypatch):
    listed = tmp_path / "names.csv"
    listed.write_text(
        "dataset,source_file,kinds,where\nbusi,a,text,\nbusi,b,none,\nbusi,c,none,\nbusi,d,logo,\n"
    )
    monkeypatch.setattr(overlays, "LISTED", listed)
    result = {"a": ("test", 1), "b": ("validation", 1), "c": ("test", 0), "d": ("train", 0)}
    rows = [
        dict.fromkeys(SCHEMA.names, name)
        | {"dataset": "busi", "split": split, "flags": ["overlay"] * flag}
        for name, (split, flag) in result.items()
    ]
    (tmp_path / "cohort").mkdir()
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    pq.write_table(table, tmp_path / "cohort" / "cohort.parquet")
    found = overlays._join_words(tmp_path)
    assert found["overlay_listed_recall"].value == found["overlay_listed_recall"].n == 1
    assert (found["overlay_listed_false"].value, found["overlay_listed_false"].n) == (0.5, 2)


def test_judges_are_measured_in_milliseconds_an_image(monkeypatch):
    seconds = iter([0.064, 0.128, 0.032])
    monkeypatch.setattr(benchmark, "measure_time", lambda work: next(seconds))

    class Idle:
        def segment(self, images):
            return images

        def classify(self, images, masks):
            return masks

    class Stack:
        images = masks = np.zeros((100, 4, 4), np.uint8)

    found = benchmark._time(Idle(), Stack())
    np.testing.assert_allclose((found.value, *found.interval), (1.0, 0.5, 2.0))
    assert found.n == 64
