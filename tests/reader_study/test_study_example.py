"""The example: a whole study, whose better reader tells more."""

from busgen.io import read_json
from busgen.reader_study.records import read_all, read_key


def test_the_example_runs_a_study_of_two_simulated_readers(call, tmp_path):
    folder = tmp_path / "ein Beispiel"
    code, out, err = call("study", "example", "--out", folder)
    assert code == 0, err
    scores = read_json(folder / "scores" / "scores.json")
    assert scores["verdict"] in " ".join(out.split())
    auc = {one["reader"]: one["auc"]["value"] for one in scores["readers"]}
    assert auc["experienced"] > auc["beginner"]
    assert (scores["n_real"], scores["n_synthetic"]) == (10, 10)
    key = read_key(folder / "study" / "key.json")
    readers = sorted((folder / "study").glob("answers-*.json"))
    assert [one.reader for one in read_all(readers, key)] == ["beginner", "experienced"]
    page = (folder / "study" / "study.html").read_text(encoding="utf-8")
    assert "mm" in page.partition('"depths"')[2][:200]  # all images state their depth
    assert call("study", "example", "--out", folder)[0] == 2  # and is replaced by nothing
