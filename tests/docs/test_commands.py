"""Every command and snippet of README and docs runs, small, in a folder where its names exist.

What stands for what, in each page's own folder:

- ``DIR``, ``OLD``: a release of 24 samples of 64 px by the phantom, unless the page makes it.
- ``D``: real data in canonical form that no patient gave, speckle with a box as its lesion.
- ``params.yaml``: the checkout's, at 64 px and with 30 attempts. Other `generate` commands get
  ``--params small.yaml``: the same, and the phantom where no engine is named.
- ``--n 200`` is 24 samples, any other number of a command or a snippet 4; of a reader study 20.
- ``answers-*.json``: two readers' answers to the study that the page made.

What cannot run so is parsed with all its options, and `ELSEWHERE` names the test that runs it.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
import typer
import yaml
from browser import CHROMIUM
from documents import ROOT, Block, blocks, commands, written_by_hand
from imitations import lay_out_hospital
from PIL import Image

from busgen.cli import app
from busgen.io import dumps, read_json

SMALL = {
    "generate": {"size_px": 64, "max_attempts": 30, "engine": "phantom"},
    "train_masks": {"steps": 20, "batch": 16, "width": 32, "layers": 1},
}
ELSEWHERE = {  # what is too long, or changes a checkout: the test that runs it small
    "make ": "tests/test_pipeline.py",
    "busgen run": "tests/test_pipeline.py",
    "busgen tag": "tests/test_pipeline.py",
    "busgen versions": "tests/test_pipeline.py",
    "busgen push": "tests/release/test_release_push.py",
    "busgen real": "tests/cli/test_cli.py",
    "busgen train": "tests/test_pipeline_chain.py",
    "busgen calibrate": "tests/test_pipeline_chain.py",
    "busgen downstream": "tests/downstream/test_downstream_command.py",
    "busgen bench phantom": "tests/bench/test_results.py",
}
CHECKOUT = ("busgen dev", "busgen bench --check")  # these run in the checkout
LARGE, FEW, STUDY = 24, 4, 20


def pages() -> list[Path]:
    runnable = {"sh", "python"}
    return [p for p in written_by_hand() if any(b.language in runnable for b in blocks(p))]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, call, make_real) -> Path:
    """Return a folder with DIR, OLD, D and parameters."""
    folder = tmp_path_factory.mktemp("prepared é")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    request = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    request["generate"] |= {"size_px": 64, "max_attempts": 30}
    (folder / "params.yaml").write_text(yaml.safe_dump(request))
    words = ("--n", LARGE, "--params", folder / "small.yaml")
    for name, seed in (("DIR", 7), ("OLD", 8)):
        code, _, error = call("generate", *words, "--seed", seed, "--out", folder / name)
        assert code == 0, error
    make_real(folder / "D", ["train"] * 48 + ["validation"] * 44 + ["test"] * 44)
    info = {"name": "breast", "pixels_may_show": True, "weights_may_ship": True}
    (folder / "D/breast/info.json").write_text(dumps(info))
    return folder


@pytest.fixture
def workspace(prepared, tmp_path, monkeypatch) -> Path:
    """Return a page's own folder, the working folder of its commands."""
    import datasets

    for path in prepared.iterdir():
        copy = shutil.copytree if path.is_dir() else shutil.copy
        copy(path, tmp_path / path.name)
    (tmp_path / "busgen").symlink_to(ROOT / "busgen")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.stem)
def test_what_a_page_shows_runs(page, workspace, call):
    shown = list(blocks(page))
    if any("--out DIR" in block.text for block in shown if block.language == "sh"):
        shutil.rmtree(workspace / "DIR")
    names: dict[str, object] = {}
    for block in shown:
        if block.language == "python":
            exec(compile(smaller(block.text), page.name, "exec"), names)
        elif block.language == "yaml":
            keep_parameters(block)
        elif block.language == "sh":
            for line in commands(block):
                run(line, call)


@pytest.mark.slow
def test_real_patients_become_data_and_masks(real_data, workspace, call):
    shutil.rmtree("D")
    Path("BrEaST").symlink_to((real_data / "BrEaST").resolve())
    lay_out_hospital(Path("MY"))
    lines = [
        line
        for block in blocks(ROOT / "docs/guide/real_data.md")
        for line in commands(block)
        if line.startswith(("busgen real", "busgen train masks"))
    ]
    assert len(lines) == 4
    for line in lines:
        words, _, target = line.partition(" > ")
        words = shlex.split(words, comments=True)[1:]
        small = ["--params", "small.yaml"] if words[0] == "train" else []
        code, text, error = call(*words, *small)
        assert code == 0, error
        if target:
            Path(target).write_text(text, encoding="utf-8")


def test_the_plate_is_drawn_of_a_release(prepared, tmp_path):
    plate, words = tmp_path / "plate é.png", [sys.executable, ROOT / "docs/plate.py"]
    subprocess.run([*words, prepared / "DIR", plate, *"01234"], check=True)
    with Image.open(plate) as drawn:
        assert drawn.size == (908, 516)  # two rows of four


def smaller(text: str) -> str:
    """Return a snippet or a command that asks for few samples."""
    if text.startswith("busgen study"):
        return re.sub(r"--n \d+", f"--n {STUDY}", text)
    text = re.sub(r"--n (\d+)", lambda m: f"--n {LARGE if m[1] == '200' else FEW}", text)
    return re.sub(r"generate\(\d+", f"generate({FEW}", text)


def keep_parameters(block: Block) -> None:
    """Write parameters that the page says are saved, small."""
    named = re.search(r"as `(\w+\.yaml)`:\s*$", block.before)
    if named:
        request = yaml.safe_load(block.text)
        request["generate"] = SMALL["generate"] | request["generate"]
        Path(named[1]).write_text(yaml.safe_dump(request))


def run(line: str, call) -> None:
    """Run one command line, or parse it where it runs elsewhere."""
    words = shlex.split(smaller(line), comments=True)
    if any(line.startswith(start) for start in ELSEWHERE):
        parse(words)
        return
    assert words[0] == "busgen", line
    if "--pdf" in words and not CHROMIUM:
        pytest.skip("no Chromium to print with")
    if words[1:2] in (["generate"], ["train"]) and "--params" not in words:
        words += ["--params", "small.yaml"]
    if words[1:3] == ["study", "score"]:
        answer()
    words = [name for word in words for name in spelt_out(word)]
    folder = ROOT if line.startswith(CHECKOUT) else Path.cwd()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        code, _, error = call(*words[1:])
    assert code == 0, f"{line}\n{error}"


def spelt_out(word: str) -> list[str]:
    """Return the files that a word with a star stands for, as a shell would."""
    return sorted(str(path) for path in Path().glob(word)) if "*" in word else [word]


def answer() -> None:
    """Let two readers answer the study."""
    key = read_json(Path("STUDY/key.json"))
    for shift, name in enumerate("ab"):
        phrases = tiny.answered(key, name, lambda one, place, own=shift: 1 + (place + own) % 6)
        Path(f"answers-{name}.json").write_text(dumps(phrases))


def parse(words: list[str]) -> None:
    """Check that a command and all its options exist, without running it."""
    if words[0] == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert re.search(rf"^{words[1]}:", makefile, re.M), words
        return
    command = typer.main.get_command(app)
    rest = words[1:]
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context(words[1], rest)


def test_what_runs_elsewhere_is_tested_there():
    for start, path in ELSEWHERE.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        if start.startswith("busgen "):
            assert start.split()[1].rstrip("s") in text, start
