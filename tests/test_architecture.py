"""The shape of the tree: who imports whom, and that the drawn tree is the real one."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
ORDER = [
    "real", "priors", "masks", "images", "quality",
    "release", "factory", "downstream", "report", "readers", "bench",
]  # fmt: skip
TOP = {
    "cli",
    "cli_learn",
    "cli_make",
    "cli_readers",
    "cli_release",
    "cli_report",
    "cli_score",
    "pipeline",
    "screen",
    "train",
    "versions",
}  # above every package; the other modules of busgen/ are shared


def imported(path: Path) -> set[str]:
    """Return the dotted names that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def module(path: Path) -> str:
    """Return the dotted name of a file of the repository."""
    words = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(words[:-1] if words[-1] == "__init__" else words)


def closure(start: str) -> set[str]:
    """Return the repository's files that the module `start` imports, itself and indirectly."""
    files = {
        module(path): path for path in (*ROOT.glob("busgen/**/*.py"), *ROOT.glob("flows/*.py"))
    }
    found: set[str] = set()
    left = {start}
    while left:
        name = left.pop()
        if name in found or name not in files:
            continue
        found.add(name)
        left |= {name.rpartition(".")[0]}
        left |= imported(files[name]) if name != "busgen" else set()  # imports only when asked
    return {files[name].relative_to(ROOT).as_posix() for name in found}


def stages() -> dict[str, dict]:
    """Return the stages of dvc.yaml."""
    content = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    return {name: stage.get("do", stage) for name, stage in content["stages"].items()}


@pytest.mark.parametrize("package", ORDER)
def test_a_package_imports_only_shared_modules_and_those_before_it(package):
    later = set(ORDER[ORDER.index(package) + 1 :]) | (TOP - {"pipeline", "train"})
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


@pytest.mark.parametrize("name", stages())
def test_a_stage_depends_on_the_code_that_its_flow_imports_and_on_no_other(name):
    stage = stages()[name]
    deps = [dep for dep in stage["deps"] if not dep.startswith(("data/", "busgen/assets/", "$"))]
    flow = stage["cmd"].removeprefix("exec python -m ").split()[0]
    assert name.startswith(flow.removeprefix("flows."))
    used = closure(flow)
    if flow == "flows.train":  # hands over to the flow that the command names
        used |= closure("_".join(stage["cmd"].split()[3:]))
    covers = {dep: {p for p in used if p == dep or p.startswith(f"{dep}/")} for dep in deps}
    assert used == set().union(*covers.values())
    assert [dep for dep, covered in covers.items() if not covered] == []


def test_generate_runs_again_for_every_parameter_that_decides_a_byte():
    from busgen.params import GenerateParams

    deciding = set(GenerateParams.model_fields) - {"runner", "workers"}
    assert set(stages()["generate"]["params"]) == {f"generate.{key}" for key in deciding}


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
    known |= {group.name for group in app.registered_groups}
    shown = set(re.findall(r"^busgen (\w+)", (ROOT / "README.md").read_text(), re.M))
    assert known <= shown
    assert shown <= known
