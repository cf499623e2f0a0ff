"""Every `--out` of the command line: what it holds that a user owns is refused, at once, and kept.

A command without a case here fails.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
import typer
from test_cli import call

from busgen.cli import app
from busgen.downstream.plan import KIND as COMPARISON
from busgen.evaluation.reference import KIND as REFERENCE
from busgen.factory.augment import KIND as AUGMENTED
from busgen.folders import write_folder
from busgen.folders.manifests import write_record
from busgen.images.diffusion.engine import KIND as IMAGES
from busgen.io import dumps
from busgen.judges.training.library import JUDGES
from busgen.masks.semantic_curvature.training.stage import KIND as MASKS
from busgen.reader_study.example import EXAMPLE
from busgen.reader_study.page import STUDY
from busgen.reader_study.summary import READERS
from busgen.real.prepare import REAL
from busgen.release.exports.export import EXPORT
from busgen.release.write import RELEASE
from busgen.report.report import REPORT

FOLDERS = {  # words ("R" a release, "D" real data, "W" shards), what the manifest calls it
    "real": (["breast=nowhere"], REAL),
    "train": (["masks", "D"], MASKS),
    "train images": (["images", "D"], IMAGES),
    "train adapter": (["images", "D", "--adapt", "busi"], IMAGES),
    "train judges": (["judges", "D"], JUDGES),
    "calibrate": (["D"], REFERENCE),
    "generate": (["--n", "4", "--size", "64", "--engine", "phantom"], RELEASE),
    "merge": (["W"], RELEASE),
    "augment": (["D"], AUGMENTED),
    "downstream": (["--data", "R", "--real", "D", "--quick"], COMPARISON),
    "report": (["R"], REPORT),
    "export": (["R"], EXPORT),
    "dev fit": (["us64", "D"], "fitted us64"),
    "study make": (["R", "--real", "D"], STUDY),
    "study example": ([], EXAMPLE),
    "study score": (["nowhere.json", "--key", "nowhere.json"], READERS),
}
FILES = {"score": ["R", "--against", "D"], "privacy": ["R", "--real", "D"]}
PAGES = {"browse": "tests/report/test_report_browse.py"}  # HTML, and the test of it
ALONE = {"train images": "train", "train adapter": "train", "train judges": "train"}
OURS = (  # by which commands once took a folder for their own
    "scores.json", "sha256sums.txt", "info.json", "cleaning.json", "reference.json", "asked.json",
    "manifest.json", "judges.json", "recipe.json", "provenance.json", "index.html", "inputs.json",
    "quality/scores.json", "refused/scores.json", "unet/config.json",
)  # fmt: skip


def outs(command: object, name: str = "") -> Iterator[str]:
    """Yield the names of the commands that have an option --out."""
    for word, below in getattr(command, "commands", {}).items():
        yield from outs(below, f"{name} {word}".strip())
    if any("--out" in option.opts for option in getattr(command, "params", ())):
        yield name


def test_every_out_has_a_case():
    known = {ALONE.get(name, name) for name in (*FOLDERS, *FILES, *PAGES)}
    assert set(outs(typer.main.get_command(app))) == known


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> dict[str, str]:
    """Return what stands for "R", "D" and "W": what looks like one, but tiny real data."""
    folder = tmp_path_factory.mktemp("given é")
    (folder / "release").mkdir()
    (folder / "release" / "index.parquet").write_text("")
    rows = [tiny.row(k, patient, "benign") for k, patient in enumerate(tiny.patients("train", 2))]
    (folder / "work").mkdir()
    request = {"generate": {"n": 4, "size_px": 64, "engine": "phantom"}, "release": {}}
    for name, record in (("request.json", request), ("plan.json", {})):
        (folder / "work" / name).write_text(dumps(record))
    known = {"R": str(folder / "release"), "W": str(folder / "work")}
    return known | {"D": str(tiny.write_real(folder / "real", rows))}


def everything(folder: Path) -> dict[Path, bytes | None]:
    """Return all files and folders below one."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def write_ours(out: Path, kind: str) -> None:
    """Write a folder as the command would leave it, of whatever it might know it by."""
    with write_folder(out, kind) as partial:
        for name in OURS:
            (partial / name).parent.mkdir(exist_ok=True)
            (partial / name).write_text("{}")


def add_a_strangers_file(out: Path) -> None:
    (out / "thesis").mkdir()
    (out / "thesis" / "chapter1.tex").write_text("months")


def edit_a_file_of_ours(out: Path) -> None:
    (out / "quality" / "scores.json").write_text('{"mine": 1}')


def lose_the_manifest(out: Path) -> None:
    (out / ".busgen.json").unlink()


@pytest.mark.parametrize("change", [add_a_strangers_file, edit_a_file_of_ours, lose_the_manifest])
@pytest.mark.parametrize("command", FOLDERS)
def test_a_folder_with_a_users_files_is_refused_and_kept(command, change, given, tmp_path):
    words, kind = FOLDERS[command]
    out = tmp_path / "out é"
    write_ours(out, kind)
    change(out)
    before = everything(tmp_path)
    typed = [given.get(word, word) for word in words]
    done = call(*ALONE.get(command, command).split(), *typed, "--out", out)
    assert done.returncode == 2, done.stderr
    assert "must not exist or be empty" in done.stderr
    assert f"got {out} with" in done.stderr
    assert everything(tmp_path) == before


@pytest.mark.parametrize("content", ['{"mine": 1}', "thesis", "edited", "another command's"])
@pytest.mark.parametrize("command", FILES)
def test_a_file_of_a_users_is_refused_and_kept(command, content, given, tmp_path):
    out = tmp_path / "out é.json"
    with write_record(out, "diff" if content.startswith("another") else command) as write:
        write({"value": 1.5})
    if content == "edited":
        out.write_text(out.read_text().replace("1.5", "1.6"))
    elif not content.startswith("another"):
        out.write_text(content)
    before = everything(tmp_path)
    typed = [given.get(word, word) for word in FILES[command]]
    done = call(command, *typed, "--out", out)
    assert done.returncode == 2, done.stderr
    assert "the output file must not exist or be empty" in done.stderr
    assert everything(tmp_path) == before
