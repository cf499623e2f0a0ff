"""The shape of the tree: who imports whom, and that the drawn tree is the real one."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import yaml

from busgen.code import import_closure
from busgen.pipeline import CODE, hash_code

ROOT = Path(__file__).resolve().parents[1]
PARTICIPLE = re.compile(
    "(?!embed)[a-z]+ed|made|told|drawn|shown|kept|found|seen|caught|begun|given|taken|known|built|said"
    "|beside|under|of"
)


def imported(path: Path) -> set[str]:
    """Return the dotted names that a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_rooms_import_only_rooms_below_them_and_inference_no_training():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_no_folder_is_full_and_no_module_long():
    for folder in {path.parent for path in ROOT.glob("busgen/**/*.py")}:
        assert len(list(folder.glob("*.py"))) <= 16, folder
    for path in ROOT.glob("busgen/**/*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 260, path


def test_names_are_few_and_none_is_a_bare_participle():
    sources = [path for top in ("busgen", "flows") for path in ROOT.glob(f"{top}/**/*.py")]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    nodes = (node for path in sources for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    names = {node.name for node in nodes if isinstance(node, kinds)}
    public = {name for name in names if not name.startswith("_")}
    assert len(public) <= 1040  # 25 each: ways downstream, runs in parts, commands and gallery
    assert not {name for name in public if PARTICIPLE.fullmatch(name)}


def test_only_flows_import_prefect_and_nobody_dvc():
    for path in ROOT.glob("busgen/**/*.py"):
        roots = {name.split(".")[0] for name in imported(path)}
        assert not roots & {"prefect", "dvc", "flows"}, path


def test_the_command_line_imports_nothing_heavy():
    heavy = "numpy pyarrow pandas cv2 scipy sklearn skimage duckdb matplotlib pydantic torch"
    code = f"import sys, busgen.cli; print([m for m in {heavy.split()} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_hashes_of_the_stages_code_are_todays():
    assert (ROOT / CODE).read_text(encoding="utf-8") == hash_code(ROOT)


def test_what_makes_a_pixel_depends_on_no_other_stages_parameters():
    sections = {name for name in import_closure("busgen.factory.shard") if ".params." in name}
    assert sections == {f"busgen.params.{name}" for name in ("base", "gates", "generate")}
    assert {"busgen.params.load", "busgen.params.report"}.isdisjoint(
        import_closure("flows.generate")
    )


def test_generate_runs_again_for_every_parameter_that_decides_a_byte():
    from busgen.params.generate import GenerateParams

    deciding = set(GenerateParams.model_fields) - {"runner", "workers", "address"}
    stage = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["generate"]
    assert {key for key in stage["params"] if isinstance(key, str)} == {
        f"generate.{key}" for key in deciding
    }


def test_every_folder_that_readme_draws_exists_and_none_is_left_out():
    drawn = re.search(r"```text\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert drawn is not None
    listed = set(re.findall(r"^(?:    )?([\w.]+/?)(?=\s|$)", drawn.group(1), re.M))
    for name in listed:
        assert (ROOT / name).exists() or (ROOT / "busgen" / name).exists(), name
    packages = {p.parent.name + "/" for p in ROOT.glob("busgen/*/__init__.py")}
    assert packages <= listed
