"""An extra that is not installed is named, with the command that installs it."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from busgen.errors import UserError
from busgen.extras import EXTRAS, require_extra

ROOT = Path(__file__).resolve().parents[1]
WITHOUT = """
import sys
sys.modules["transformers"] = sys.modules["peft"] = sys.modules["accelerate"] = None
from busgen.cli import main
sys.argv = ["busgen", *sys.argv[1:]]
main()
"""


def run_without_sd(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", sorted(EXTRAS))
def test_a_missing_module_is_named_with_its_extra(monkeypatch, name):
    require_extra(name, "this")
    missing = EXTRAS[name][0]
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UserError, match=rf"this needs .* {name}, got no {missing}: pip install"):
        require_extra(name, "this")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert all(
        any(
            one.startswith(module.replace("_", "-"))
            for one in declared["optional-dependencies"][name]
        )
        for module in EXTRAS[name]
    )


@pytest.mark.parametrize(
    "words",
    [
        ("generate", "--engine", "stable_diffusion", "--out"),
        ("train", "images", ".", "--preset", "sd15", "--start", ".", "--out"),
        ("train", "images", ".", "--adapt", "busi", "--out"),
    ],
)
def test_stable_diffusion_and_adapters_without_the_extra_are_one_message(tmp_path, words):
    done = run_without_sd(*words, tmp_path / "x")
    assert done.returncode == 2
    assert "needs the optional extra sd, got no transformers and peft" in done.stderr
    assert "pip install 'busgen[sd]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_shipped_generator_needs_no_extra(tmp_path):
    done = run_without_sd("generate", "--n", 1, "--size", 64, "--out", tmp_path / "x")
    assert done.returncode == 0, done.stderr
    assert "accelerate" not in done.stderr


LIGHT = WITHOUT.replace("import sys", "import sys; sys.modules['diffusers'] = None", 1)


def test_a_light_install_is_all_but_diffusers():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    lines = (ROOT / "requirements-light.txt").read_text().splitlines()
    light = [line for line in lines if not line.startswith("#")]
    assert light == [one for one in declared if not one.startswith("diffusers")]


def test_without_diffusers_sets_are_made_by_physics_read_and_exported(tmp_path):
    def run(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", LIGHT, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    small = ("--n", 4, "--size", 64, "--gates", "all=off", "--out")
    made = tmp_path / "made"
    for words in (
        ("generate", "--engine", "phantom", *small, made),
        ("inspect", made),
        ("export", made, "--as", "yolo", "--out", tmp_path / "yolo"),
    ):
        done = run(*words)
        assert done.returncode == 0, done.stderr
    refused = run("generate", *small, tmp_path / "x")
    assert refused.returncode == 2
    assert "needs a further package, got no diffusers: pip install diffusers" in refused.stderr
    assert "Traceback" not in refused.stderr
