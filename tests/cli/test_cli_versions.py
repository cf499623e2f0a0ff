"""The leaderboard: rows that tags carry, and how they are shown."""

import subprocess

import pytest

from busgen.cli import tables, versions
from busgen.io import dumps

ROW = {
    "accepted": 60,
    "acceptance": 0.9,
    "scores": {"ks_grey.benign": 0.2, "ks_depth.benign": 0.1, "descriptor_auc": 0.95},
    "floors": {"ks_grey.benign": 0.1, "ks_depth.benign": 0.1, "descriptor_auc": 0.9},
    "generator": {"engine": "diffusion", "engine_sha256": "be811d7060ba" + "0" * 52},
    "downstream": {
        "segmentation": {"busi": {"gain": {"value": 0.02, "low": -0.01, "high": 0.05}}},
    },
    "seconds": {"generate": 61.5},
}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a repository with two tagged versions, two other tags."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "GIT_AUTHOR_NAME",
        "GIT_AUTHOR_EMAIL",
        "GIT_COMMITTER_NAME",
        "GIT_COMMITTER_EMAIL",
    ):
        monkeypatch.setenv(name, "t@t")
    words = [
        ["init", "-q"],
        ["commit", "-q", "--allow-empty", "-m", "one"],
        ["tag", "-a", "v1", "-m", f"Dataset v1\n\n{dumps(ROW)}"],
        ["tag", "0.2.0"],
        ["tag", "-a", "0.2.1", "-m", "Code 0.2.1"],
        ["tag", "-a", "v2", "-m", f"Dataset v2\n\n{dumps(ROW)}"],
    ]
    for arguments in words:
        subprocess.run(["git", *arguments], check=True)
    return tmp_path


def test_a_tag_carries_its_row(checkout):
    first, second = versions.versions()
    assert (first["version"], second["version"]) == ("v1", "v2")
    assert {key: first[key] for key in ROW} == ROW
    assert len(first["date"]) == 10


def test_the_leaderboard_shows_generator_gain_quality_and_seconds(checkout, capsys, monkeypatch):
    monkeypatch.setattr(tables.out, "width", 160)
    tables.print_versions(versions.versions()[:1])
    phrases = capsys.readouterr().out
    for words in ("v1", "diffusion be811d7060ba", "Dice, busi", "+0.020 (-0.010 to +0.050)", "61.5",
                  "0.15", "0.95"):  # fmt: skip
        assert words in phrases


def test_a_folder_is_scored_by_what_lies_beside_it(tmp_path):
    assert versions.read_scores(str(tmp_path)) == {"quality": {}, "downstream": {}}
    scores = {"headline": {"descriptor_auc": {"value": 0.9}}, "pooled": {"headline": {"ks_a": {}}}}
    for path, result in (
        ("quality/scores.json", scores),
        ("downstream/metrics.json", {"headline": {"a": {}}}),
    ):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text(dumps(result))
    (tmp_path / "release").mkdir()
    found = versions.read_scores(str(tmp_path / "release"))
    assert set(found["quality"]) == {"descriptor_auc", "ks_a.pooled"}
    assert found["downstream"] == {"a": {}}
