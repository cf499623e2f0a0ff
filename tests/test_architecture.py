"""The shape of the tree: who imports whom, and that the drawn tree is the real one."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ORDER = ["real", "priors", "masks", "images", "quality", "release", "factory", "report", "bench"]
TOP = {"cli", "pipeline"}  # above every package; the other modules of busgen/ are shared


def imported(path: Path) -> set[str]:
    """Return the dotted names that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("package", ORDER)
def test_a_package_imports_only_shared_modules_and_those_before_it(package):
    later = set(ORDER[ORDER.index(package) + 1 :]) | {"cli"}
    later |= set() if package == "bench" else {"pipeline"}
    for path in (ROOT / "busgen" / package).rglob("*.py"):
        used = {name.split(".")[1] for name in imported(path) if name.startswith("busgen.")}
        assert not used & later, f"{path} imports {used & later}"


def test_shared_modules_import_no_package():
    for path in (ROOT / "busgen").glob("*.py"):
        if path.stem in TOP or path.stem == "__init__":
            continue
        used = {name.split(".")[1] for name in imported(path) if name.startswith("busgen.")}
        assert not used & set(ORDER), f"{path} imports {used & set(ORDER)}"


def test_only_flows_import_prefect_and_nobody_dvc():
    for path in ROOT.glob("busgen/**/*.py"):
        roots = {name.split(".")[0] for name in imported(path)}
        assert not roots & {"prefect", "dvc", "flows"}, path


def test_the_command_line_imports_nothing_heavy():
    heavy = "numpy pyarrow pandas cv2 scipy sklearn skimage duckdb matplotlib pydantic torch"
    code = f"import sys, busgen.cli; print([m for m in {heavy.split()} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_folder_that_readme_draws_exists_and_none_is_left_out():
    drawn = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert drawn is not None
    listed = set(re.findall(r"^(?:    )?([\w.]+/?)(?=\s|$)", drawn.group(1), re.M))
    for name in listed:
        assert (ROOT / name).exists() or (ROOT / "busgen" / name).exists(), name
    packages = {p.parent.name + "/" for p in ROOT.glob("busgen/*/__init__.py")}
    assert packages <= listed


def test_every_command_that_readme_shows_exists():
    from busgen.cli import app

    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    shown = set(re.findall(r"^busgen (\w+)", (ROOT / "README.md").read_text(), re.M))
    assert known <= shown
    assert shown <= known
