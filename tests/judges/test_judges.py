"""Judges at work: shapes, independence of the batch, refusals; and those that ship."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny_judges import ellipses, tiny_judges

from busgen.errors import DataError, UserError
from busgen.io import read_json, sha256_file
from busgen.judges.judges import FILES, SHIPPED, load_judges
from busgen.judges.training.library import score_classifier, score_segmenter
from busgen.real.canonical import to_row
from busgen.real.cohort import assign_split
from busgen.real.crops import crop_all
from busgen.real.readers import bus_bra
from busgen.real.readers.bus_bra import describe
from busgen.real.readers.files import read_rows
from busgen.real.readers.registry import list_images


@pytest.fixture(scope="module")
def judges(tmp_path_factory):
    return tiny_judges(tmp_path_factory.mktemp("judges"))


def test_answers_have_the_shape_of_the_question(judges):
    crops = ellipses(7)
    found = judges.segment(crops.images)
    probabilities = judges.classify(crops.images, crops.masks)
    assert (found.shape, found.dtype) == (crops.images.shape, np.float32)
    assert (probabilities.shape, probabilities.dtype) == ((7,), np.float64)
    assert 0 <= found.min() <= found.max() <= 1


def test_an_empty_mask_has_no_class(judges):
    crops = ellipses(6)
    probabilities = judges.classify(crops.images, crops.masks)
    assert np.isnan(probabilities).tolist() == [False] * 5 + [True]
    assert judges.classify(crops.images[:0], crops.masks[:0]).shape == (0,)


def test_an_answer_does_not_depend_on_the_batch(judges):
    crops = ellipses(37)
    found = judges.segment(crops.images)
    probabilities = judges.classify(crops.images, crops.masks)
    for k in (0, 16, 36):
        one = slice(k, k + 1)
        assert np.abs(judges.segment(crops.images[one])[0] - found[k]).max() < 1e-5
        assert judges.classify(crops.images[one], crops.masks[one])[0] == pytest.approx(
            probabilities[k], abs=1e-5
        )


def test_the_same_question_has_the_same_answer(judges):
    crops = ellipses(5)
    assert np.array_equal(judges.segment(crops.images), judges.segment(crops.images))


def test_blind_members_do_not_see_the_mask(judges):
    image = ellipses(1)
    small = image.masks.copy()
    rows, cols = np.flatnonzero(small[0].any(1)), np.flatnonzero(small[0].any(0))
    small[0, rows[1] : rows[-1], cols[1] : cols[-1]] = 1  # the same box, another outline
    outlined = judges.logits(image.images, image.masks), judges.logits(image.images, small)
    assert outlined[0] != outlined[1]
    blind = judges.classifier.channels
    assert [blind(number) for number in range(3)] == [2, 2, 1]


@pytest.mark.parametrize("bad", [np.zeros((4, 4), np.uint8), np.zeros((1, 4, 4))])
def test_other_shapes_and_types_are_refused(judges, bad):
    with pytest.raises(UserError, match=r"\(N, H, W\) uint8"):
        judges.segment(bad)


def test_masks_must_pair_with_images(judges):
    crops = ellipses(4)
    with pytest.raises(UserError, match="one shape"):
        judges.classify(crops.images, crops.masks[:3])


def test_a_folder_without_judges_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"judges\.json"):
        load_judges(tmp_path)


def test_missing_weights_are_refused(tmp_path):
    tiny_judges(tmp_path)
    weights = load_file(tmp_path / FILES[0])
    save_file(
        {key: value for key, value in weights.items() if "head" not in key}, tmp_path / FILES[0]
    )
    with pytest.raises(DataError, match="whole judges"):
        load_judges(tmp_path)


def test_truncated_weights_are_refused(tmp_path):
    tiny_judges(tmp_path)
    whole = (tmp_path / FILES[1]).read_bytes()
    (tmp_path / FILES[1]).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="whole judges"):
        load_judges(tmp_path)


def test_the_hash_follows_weights_and_calibration(tmp_path):
    before = tiny_judges(tmp_path).sha256
    assert load_judges(tmp_path, "cpu").sha256 == before
    spec = tmp_path / "judges.json"
    spec.write_text(spec.read_text().replace('"slope": 1.0', '"slope": 0.9'))
    assert load_judges(tmp_path, "cpu").sha256 != before


def test_what_ships_loads_is_small_and_is_what_was_scored():
    judges = load_judges(device="cpu")
    assert min(judges.segmenter.members, judges.classifier.members) >= 3
    files = [path for path in SHIPPED.iterdir() if path.is_file()]
    assert {path.suffix for path in files} == {".safetensors", ".json", ".md"}
    assert sum(path.stat().st_size for path in files) <= 12e6
    scores = read_json(SHIPPED / "scores.json")
    assert scores["weights_sha256"] == {name: sha256_file(SHIPPED / name) for name in FILES}
    for name in ("segmenter.md", "classifier.md"):
        assert "NOT FOR CLINICAL USE" in (SHIPPED / name).read_text()


def test_held_out_patients_of_bus_bra(real_data):
    folder = real_data / "BUS-BRA"
    stated = [describe(row) for row in read_rows(folder / bus_bra.TABLE, bus_bra.COLUMNS)]
    rows = []
    for entry, result in zip(list_images("bus_bra", folder).entries, stated, strict=True):
        if assign_split(result["patient_id"]) == "test":
            row = to_row("bus_bra", entry.source_file, entry.load())
            assert row["sample_id"] == result["sample_id"]
            rows.append(row | {"cluster_id": row["patient_id"]})
    crops, judges = crop_all(rows), load_judges(device="cpu")
    found = score_segmenter(judges, crops)["bus_bra"]
    assert found["value"] >= 0.77  # reached: .80; the aim of .85 is not
    assert found["median"] >= 0.87
    assert score_classifier(judges, crops)["auc"]["bus_bra"]["value"] >= 0.90
