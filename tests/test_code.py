"""The code that decides a result: its closure, its hash."""

import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

from busgen import code

FACTORY = ("busgen.factory.shard", "busgen.factory.rounds")


def test_what_makes_a_release_imports_no_training_and_no_report():
    found = code.import_closure(*FACTORY)
    assert "busgen.images.diffusion.engine" in found
    assert not [name for name in found if ".training" in name or ".fitting" in name]
    assert not [name for name in found if name.startswith(("busgen.report", "busgen.evaluation"))]


def test_whatever_python_imports_is_found():
    program = f"import sys, {', '.join(FACTORY)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    loaded = {name for name in done.stdout.decode().split() if name.startswith("busgen.")}
    assert loaded <= set(code.import_closure(*FACTORY))


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Return a function that writes a small package and returns the hash of its entry."""
    monkeypatch.setattr(code, "ROOT", tmp_path)

    def written(**sources: str) -> str:
        for name, text in {"__init__": "", **sources}.items():
            path = tmp_path / "busgen" / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        for function in (code.import_closure, code.hash_code, code.read_module):
            function.cache_clear()
        return code.hash_code("busgen.entry")

    yield written
    for function in (code.import_closure, code.hash_code, code.read_module):
        function.cache_clear()


def test_comments_and_docstrings_change_no_hash_and_statements_do(tree):
    before = tree(entry='"""Do."""\nfrom busgen import low\n', low="A = 1\n")
    assert tree(entry="from busgen import low  # why\n", low='"""Low."""\nA = 1\n') == before
    assert tree(entry="from busgen import low\n", low="A = 2\n") != before


def test_what_is_not_imported_changes_no_hash(tree):
    before = tree(entry="from busgen.low import A\n", low="A = 1\n", other="B = 1\n")
    assert tree(entry="from busgen.low import A\n", low="A = 1\n", other="B = 2\n") == before
    assert code.import_closure("busgen.entry") == ("busgen.entry", "busgen.low")


def test_no_module_imports_itself_through_others():
    sources = sorted((code.ROOT / "busgen").rglob("*.py"))
    names = [".".join(path.relative_to(code.ROOT).with_suffix("").parts) for path in sources]
    modules = {name for name in names if not name.endswith("__init__")}
    TopologicalSorter(
        {name: modules & set(code.read_module(name)[0]) for name in modules}
    ).prepare()
