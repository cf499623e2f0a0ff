"""`busgen report` as typed: the page, its PDF, the page with patients' images and its bar."""

import sys

import pytest
import tiny
from browser import CHROMIUM

from busgen.cli import main
from busgen.folders.manifests import MANIFEST

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@pytest.fixture
def typed(monkeypatch, capsys):
    """Return a function that runs a command line and returns exit code, stdout, stderr."""

    def run(*words: object):
        monkeypatch.setattr(sys, "argv", ["busgen", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code or 0, *capsys.readouterr()

    return run


def told(chain, folder):
    """Return the words that name the chain's folders."""
    given = chain.sources
    return ("report", given.release, "--quality", given.quality, "--candidates", given.candidates,
            "--reference", given.reference, "--gallery", 1, "--out", folder)  # fmt: skip


def test_a_pdf_and_a_page_with_patients_are_written_beside_the_page(chain, tmp_path, typed):
    rows = [
        tiny.row(number, patient, ("benign", "malignant")[number % 2])
        for split in ("train", "test")
        for number, patient in enumerate(tiny.patients(split, 4), {"train": 0, "test": 100}[split])
    ]
    real, folder = tiny.write_real(tmp_path / "real é", rows), tmp_path / "out ü"
    code, out, err = typed(*told(chain, folder), "--pdf", "--with-real", real)
    assert code == 0, err
    names = ("index.html", "report.pdf", "with_real.html")
    assert [line.split()[0] for line in out.splitlines()] == ["report", "pdf", "real"]
    assert all(str(folder / name) in out for name in names)
    assert {path.name for path in folder.iterdir()} == {
        *names,
        "contract.html",
        "scorecard.html",
        MANIFEST,
    }
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert "NOT FOR SHARING" in (folder / "with_real.html").read_text("utf-8")
    assert "patients' images read" in err
    assert f"{len(rows)}/{len(rows)}" in err
    assert "never publish it" in err


def test_real_data_that_may_not_be_shown_is_refused_before_anything_is_made(chain, tmp_path, typed):
    rows = [tiny.row(k, patient, "benign") for k, patient in enumerate(tiny.patients("train", 2))]
    real = tiny.write_real(tmp_path / "real", rows, may_show=False)
    code, _, err = typed(*told(chain, tmp_path / "out"), "--with-real", real)
    assert code == 2
    assert "licence lets them be shown" in err
    assert not (tmp_path / "out").exists()


def test_without_chromium_no_pdf_is_begun(chain, tmp_path, typed, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = typed(*told(chain, tmp_path / "out"), "--pdf")
    assert code == 2
    assert "install chromium" in err
    assert not (tmp_path / "out").exists()
