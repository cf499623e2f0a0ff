"""The page tells no answer and asks for nothing; page and key are written where they may be."""

import base64
import json
import re
import shutil
import subprocess
from dataclasses import replace

import cv2
import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from busgen.errors import UserError
from busgen.io import sha256_array, sha256_bytes
from busgen.reader_study.page import _mark_depths, image_uri, render, write_study
from busgen.reader_study.study import Options, make_study
from busgen.real.crops import require_untracked


@pytest.fixture(scope="module")
def page(study) -> str:
    return (study / "study.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def data(page) -> dict:
    return json.loads(re.search(r'id="study">(.*?)</script>', page, re.S)[1])


def test_the_source_holds_the_images_of_the_key_and_no_word_of_it(page, data, key):
    assert {*data["images"]} == {*key["images"]}
    for name, one in key["images"].items():
        png = base64.b64decode(data["images"][name].removeprefix("data:image/png;base64,"))
        pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
        assert sha256_array(pixels) == one["image_sha256"]
        assert one["source"]["sample_id"] not in page
    words = re.sub(r"base64,[\w+/=]+", "", page)
    for word in ("busi", "benign", "malignant", "phantom", "pathology", "sample_id"):
        assert not re.search(rf"\b{word}\b", words), word


def test_nothing_of_a_image_but_its_pixels_tells_what_it_is(data, key):
    uris = data["images"].values()
    assert len({len(uri) for uri in uris}) == 1
    chunks = {tuple(re.findall(rb"IHDR|IDAT|IEND|tEXt|tIME|iCCP|gAMA|pHYs|eXIf",
                               base64.b64decode(uri.split(",")[1]))) for uri in uris}  # fmt: skip
    assert chunks == {(b"IHDR", b"IDAT", b"IEND")}
    truth = {name: one["kind"] == "synthetic" for name, one in key["images"].items()}
    orders = {
        "ids": sorted(truth),
        "source": list(data["images"]),
        "shown": [name for block in data["blocks"] for name in block],
    }
    for order in orders.values():
        places = np.arange(20)
        generated = np.array([truth[name] for name in order])
        assert mannwhitneyu(places[generated], places[~generated]).pvalue > 0.05


def test_how_well_a_image_compresses_does_not_show():
    flat = np.zeros((64, 64), np.uint8)
    noise = np.random.default_rng(0).integers(256, size=(64, 64)).astype(np.uint8)
    assert len(image_uri(flat)) == len(image_uri(noise))


def test_the_page_forbids_itself_the_network_and_says_what_it_is(page):
    assert "default-src 'none'" in page
    assert not re.findall(r"https?://|//[a-z]+\.[a-z]|@import|url\(", page)
    assert "Not for clinical use. Some of these are real patients’ images: do not copy." in page
    assert "Not for sharing" in page


def test_the_key_is_of_this_page_and_this_release(page, key, release):
    assert key["page_sha256"] == sha256_bytes(page.encode())
    assert key["release_sha256"] == sha256_bytes((release / "sha256sums.txt").read_bytes())
    assert key["chosen"]["splits"] == ["test"]


def test_marks_of_depth_are_of_all_images_or_of_none(release, real):
    found = make_study(release, real, Options(20))
    assert len({str(marks) for marks in _mark_depths(found).values()}) == 1  # of none stated
    images, practice = (
        {name: replace(one, depth_mm=38.0) for name, one in part.items()}
        for part in (found.images, found.practice)
    )
    marks = _mark_depths(found._replace(images=images, practice=practice))
    assert len(marks) == 24
    assert all(own == [(26, "10 mm"), (53, "20 mm"), (79, "30 mm")] for own in marks.values())
    images["x"] = replace(next(iter(images.values())), depth_mm=40.0)
    assert _mark_depths(found._replace(images=images, practice=practice))["x"][-1] == (75, "30 mm")


def test_descriptors_can_be_left_out(release, real):
    page = render(make_study(release, real, Options(20)), descriptors=False)
    assert 'id="more"' not in page
    assert '"fields": []' in page


def test_a_folder_with_anything_in_it_is_left_alone(study, release, real):
    before = (study / "key.json").read_bytes()
    with pytest.raises(UserError, match="must not exist or be empty"):
        write_study(release, real, study, Options(20))
    assert (study / "key.json").read_bytes() == before


@pytest.mark.skipif(shutil.which("git") is None, reason="no git on this machine")
def test_a_page_never_lies_where_git_would_track_it(tmp_path, release, real):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text("/data/*\n")
    with pytest.raises(UserError, match="where git does not track them"):
        write_study(release, real, tmp_path / "docs" / "study", Options(20))
    assert not (tmp_path / "docs").exists()
    require_untracked(tmp_path / "data" / "study" / "study.html")
