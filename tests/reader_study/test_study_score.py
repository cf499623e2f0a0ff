"""`busgen study score`: what it writes, what it says, what it refuses."""

import json

import cv2
import pytest
import tiny

from busgen.io import dumps
from busgen.reader_study.records import seal


def truth(one, _):
    """Rate as one who knows."""
    return 6 if one["kind"] == "synthetic" else 1


def unsure(one, place):
    """Rate as one who guesses."""
    return 1 + place % 6


def partly(one, place):
    """Rate as one who tells most."""
    return truth(one, place) if place % 4 else 4


@pytest.fixture
def write(tmp_path, key):
    """Return a function that writes a reader's answers."""

    def to_file(reader, rate, **changes):
        path = tmp_path / f"{reader}.json"
        path.write_text(dumps(seal(tiny.answered(key, reader, rate) | changes)))
        return path

    return to_file


@pytest.fixture
def key_file(study):
    return study / "key.json"


def test_scores_figure_and_words_are_written(call, write, key_file, tmp_path):
    files = [write("b|$x$", partly), write("ä", unsure), write("a", truth)]
    code, out, err = call("study", "score", *files, "--key", key_file, "--out", tmp_path / "s")
    assert code == 0, err
    scores = json.loads((tmp_path / "s" / "scores.json").read_text(encoding="utf-8"))
    assert [one["reader"] for one in scores["readers"]] == ["a", "b|$x$", "ä"]
    perfect = scores["readers"][0]
    assert [perfect[name]["value"] for name in ("auc", "sensitivity", "specificity")] == [1, 1, 1]
    assert (perfect["auc"]["n"], perfect["sensitivity"]["n"]) == (20, 10)
    assert perfect["seconds"]["median"] == 10.5
    mean = sum(one["auc"]["value"] for one in scores["readers"]) / 3
    assert scores["pooled"]["auc"]["value"] == pytest.approx(mean, abs=1e-4)
    assert len(scores["agreement"]["weighted_kappa_ratings"]) == 3
    assert scores["verdict"] in out.replace("\n", " ")
    words = (tmp_path / "s" / "README.md").read_text(encoding="utf-8")
    assert scores["verdict"] in words
    assert "b\\|$x$" in words
    assert "NOT FOR CLINICAL USE" in words
    assert (tmp_path / "s" / "figure.svg").read_text(encoding="utf-8").count("pooled") == 1
    assert cv2.imread(str(tmp_path / "s" / "figure.png")).min() < 200


def test_the_same_files_in_another_order_give_the_same_bytes(call, write, key_file, tmp_path):
    files = [write("a", partly), write("b", unsure)]
    for name, order in (("one", files), ("two", files[::-1])):
        assert call("study", "score", *order, "--key", key_file, "--out", tmp_path / name)[0] == 0
    assert call("study", "score", *files, "--key", key_file, "--out", tmp_path / "one")[0] == 0
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (truth, "The reader tells them apart (AUC 1.00"),
        (unsure, "No evidence that the reader tells them apart"),
        (lambda one, n: 7 - truth(one, n), "tells them apart, but takes synthetic images for"),
    ],
)
def test_one_reader_is_scored_and_the_verdict_is_plain(
    call, write, key_file, tmp_path, rate, words
):
    file = write("a", rate)
    code, out, err = call("study", "score", file, "--key", key_file, "--out", tmp_path / "s")
    assert code == 0, err
    assert words in out.replace("\n", " ")
    scores = json.loads((tmp_path / "s" / "scores.json").read_text())
    assert scores["agreement"] is None
    assert set(scores["pooled"].values()) == {None}


def refused(call, tmp_path, *words: object) -> str:
    """Return what is said where the command is refused and writes nothing."""
    code, _, err = call("study", "score", *words, "--out", tmp_path / "s")
    assert code == 2, err
    assert "Traceback" not in err
    assert not (tmp_path / "s").exists()
    return err


def test_a_changed_file_is_refused(call, write, key_file, tmp_path):
    file = write("a", truth)
    file.write_text(file.read_text().replace('"rating": 6', '"rating": 1', 1))
    err = refused(call, tmp_path, file, "--key", key_file)
    assert "a.json must agree with its checksum" in err
    file.write_text(file.read_text().replace('"rating": 1', '"rating": NaN', 1))
    assert "a.json must" in refused(call, tmp_path, file, "--key", key_file)


def test_answers_to_another_study_are_refused(call, write, key_file, tmp_path):
    err = refused(call, tmp_path, write("a", truth, study="0" * 16), "--key", key_file)
    assert "must answer study" in err


def test_a_reader_counts_once(call, write, key_file, tmp_path):
    files = write("a", truth), write("A", unsure)
    err = refused(call, tmp_path, *files, "--key", key_file)
    assert "a reader must answer once" in err


def test_one_sitting_under_two_codes_is_refused(call, write, key_file, tmp_path):
    files = write("a", unsure), write("b", truth), write("c", unsure)
    err = refused(call, tmp_path, *files, "--key", key_file)
    assert "readers must answer for themselves, a gave the same answers, got c.json" in err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answers": []}, "answers: Input should be a valid dictionary"),
        ({"answers": None}, "answers: Input should be"),
        ({"answers": {"x": {"rating": 1, "said": {}}}}, "answers x ms: Field required"),
        ({"answers": {"x": {"ms": 1, "said": []}}}, "answers x said: Input should be"),
        ({"reader": ""}, "reader: String should have at least 1 character"),
        ({"reader": "a\x1b[31m"}, "reader: String should match pattern"),
        ({"reader": "a" * 101}, "reader: String should have at most 100 characters"),
        ({"reader": None}, "reader: Input should be a valid string"),
    ],
)
def test_what_the_page_does_not_write_is_refused(call, key, key_file, tmp_path, changes, message):
    file = tmp_path / "a.json"
    file.write_text(dumps(seal(tiny.answered(key, "a", truth) | changes)))
    assert message in refused(call, tmp_path, file, "--key", key_file)


@pytest.mark.parametrize("rating", [None, 0, 7, "6", 5.5, True])
def test_a_image_without_a_rating_is_refused(call, write, key_file, tmp_path, key, rating):
    answers = tiny.answered(key, "a", truth)["answers"]
    name = min(answers)
    answers[name] = answers[name] | {"rating": rating}
    err = refused(call, tmp_path, write("a", truth, answers=answers), "--key", key_file)
    assert "every image must be rated in a.json, got 1 of 20 without a rating" in err


def test_a_image_that_the_key_lacks_is_refused(call, write, key_file, tmp_path, key):
    answers = tiny.answered(key, "a", truth)["answers"]
    answers["0" * 12] = answers[min(answers)]
    err = refused(call, tmp_path, write("a", truth, answers=answers), "--key", key_file)
    assert "must answer images of the key" in err


def test_a_file_that_is_no_file_of_answers_is_refused(call, key_file, tmp_path):
    err = refused(call, tmp_path, key_file, "--key", key_file)
    assert "must be of format busgen-reader-answers/1" in err
    (tmp_path / "x.json").write_text("[")
    assert "must be a JSON file" in refused(call, tmp_path, tmp_path / "x.json", "--key", key_file)


def test_a_key_that_was_changed_or_is_too_small_is_refused(call, write, key, tmp_path):
    file, path = write("a", truth), tmp_path / "key.json"
    path.write_text(dumps(key | {"study": "0" * 16}))
    assert "key.json must agree with its checksum" in refused(call, tmp_path, file, "--key", path)
    few = {n: one for n, one in key["images"].items() if one["kind"] == "real"}
    path.write_text(dumps(seal(key | {"images": few})))
    err = refused(call, tmp_path, file, "--key", path)
    assert "must have 10 or more synthetic images, got 0" in err


def test_a_folder_with_other_content_is_left_alone(call, write, key_file, tmp_path):
    file = write("a", truth)
    code, _, err = call("study", "score", file, "--key", key_file, "--out", tmp_path)
    assert code == 2
    assert "must not exist or be empty, or hold only what" in err
    assert file.exists()


def test_a_folder_with_scores_of_somebody_elses_is_left_alone(call, write, key_file, tmp_path):
    file, out = write("a", truth), tmp_path / "p"
    (out / "thesis").mkdir(parents=True)
    (out / "scores.json").write_text('{"mine": 1}')
    (out / "thesis" / "chapter1.tex").write_text("months")
    code, _, err = call("study", "score", file, "--key", key_file, "--out", out)
    assert code == 2
    assert "must not exist or be empty, or hold only what the same command wrote" in err
    assert (out / "scores.json").read_text() == '{"mine": 1}'
    assert (out / "thesis" / "chapter1.tex").read_text() == "months"
