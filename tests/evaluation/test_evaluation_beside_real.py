"""`busgen privacy`: copies of training images are told from others; what is no data is named."""

import json

import pytest

from busgen.io import encode_png

COPIES, OTHERS = range(12), range(300, 312)


@pytest.fixture
def images(make_image, tmp_path):
    """Return a folder whose first images are those of training patients."""
    folder = tmp_path / "images é"
    folder.mkdir()
    for k in (*COPIES, *OTHERS):
        image, mask = make_image(k)
        (folder / f"{k:03d}.png").write_bytes(encode_png(image))
        (folder / f"{k:03d}_mask.png").write_bytes(encode_png(mask))
    return folder


def test_planted_copies_are_told_in_every_space(images, real, call, tmp_path):
    code, phrases, errors = call("privacy", images, "--real", real, "--out", tmp_path / "told.json")
    assert code == 0, errors
    result = json.loads((tmp_path / "told.json").read_text("utf-8"))
    scores = result["scores"]
    names = ("ratio", "nearer", "inauthentic", "same_patient")
    assert set(scores) == {
        f"privacy_{name}_{space}" for name in names for space in ("us64", "radiomic", "masks")
    }
    for space in ("us64", "radiomic"):
        found = scores[f"privacy_inauthentic_{space}"]
        assert found["n"] == 24
        assert found["value"] >= 0.5  # the copies, and whom chance adds
        assert found["value"] > found["floor"]
        assert scores[f"privacy_same_patient_{space}"]["value"] >= 0.5
        assert scores[f"privacy_ratio_{space}"]["value"] < scores[f"privacy_ratio_{space}"]["floor"]
        assert result["thresholds"][space]["pairs"] == 34
    assert result["copies"]["value"] >= 0.5
    assert "ratio_us64" in phrases
    assert "copies" in phrases
    assert "same patient below" in errors


def test_what_is_no_real_data_or_too_little_is_named(images, real, call, tmp_path):
    code, _, phrases = call("privacy", images, "--real", images)
    assert (code, "real data must be in canonical form" in phrases) == (2, True)
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "a.png").write_bytes((images / "000.png").read_bytes())
    code, _, phrases = call(
        "privacy", tmp_path / "few", "--real", real, "--out", tmp_path / "told.json"
    )
    assert (code, "must hold 20 images or more" in phrases) == (2, True)
    assert not (tmp_path / "told.json").exists()
