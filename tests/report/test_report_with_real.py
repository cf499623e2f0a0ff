"""The page with patients' images: where it may lie, and what it says of itself."""

import re
import subprocess

import pytest
import tiny

from busgen.errors import UserError
from busgen.real.crops import require_no_output, require_untracked
from busgen.report.page import print_pdf
from busgen.report.with_real import BESIDE, NOTICE, PAIRS, count, write_with_real


def test_it_may_not_lie_where_git_would_track_it(chain, tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    with pytest.raises(UserError, match="where git does not track them"):
        write_with_real(chain.sources.release, tmp_path / "real", tmp_path / "out")
    (tmp_path / ".gitignore").write_text("data/\n")
    require_untracked(tmp_path / "data" / "with_real.html")


def test_it_may_not_lie_in_what_dvc_shares(tmp_path):
    (tmp_path / "dvc.yaml").write_text("stages: {report: {cmd: x, outs: [data/report]}}")
    with pytest.raises(UserError, match="output that DVC shares"):
        require_no_output(tmp_path / "data" / "report" / "with_real.html")
    require_no_output(tmp_path / "data" / "elsewhere" / "with_real.html")


def test_without_chromium_the_remedy_is_named(chain, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="install chromium"):
        print_pdf(chain.page, tmp_path / "report.pdf")
    assert list(tmp_path.iterdir()) == []


def test_the_page_shows_pairs_and_says_what_it_is(chain, tmp_path):
    rows = [
        tiny.row(10 * number, patient, ("benign", "malignant")[number % 2])
        for split in ("train", "test")
        for number, patient in enumerate(tiny.patients(split, 4), {"train": 0, "test": 100}[split])
    ]
    real = tiny.write_real(tmp_path / "real é", rows)
    read: list[int] = []
    page = write_with_real(chain.sources.release, real, tmp_path / "out", read.append)
    assert sum(read) == count(real) == len(rows)
    text = page.read_text(encoding="utf-8")
    assert text.count(NOTICE) == 3  # title, banner, foot
    assert text.count('class="pair"') == text.count("Image of a patient") == PAIRS + BESIDE
    assert "of 4 images of training patients" in text
    assert text.count("<script") == 1  # of ours
    distances = [float(d) for d in re.findall(r"Distance (\d\.\d\d)<", text)]
    assert distances == sorted(distances)
    assert len(distances) == PAIRS


def test_a_dataset_that_may_not_be_shown_is_not(chain, tmp_path):
    rows = [tiny.row(k, patient, "benign") for k, patient in enumerate(tiny.patients("train", 2))]
    real = tiny.write_real(tmp_path / "real", rows, may_show=False)
    with pytest.raises(UserError, match="licence lets them be shown"):
        write_with_real(chain.sources.release, real, tmp_path / "out")
