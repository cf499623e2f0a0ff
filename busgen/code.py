"""Code that decides a result: what a module imports of ours, found by reading the sources.

In: dotted names of modules. Out: their import closure, and its hash. Comments and docstrings are
in no hash, so that they remake nothing.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

TEXTS = (".css", ".html", ".js", ".json", ".md", ".toml")  # beside the sources, read by them
ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("busgen", "flows")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def import_closure(*entries: str) -> tuple[str, ...]:
    """Return the modules of ours that `entries` import, themselves included, sorted.

    Imports inside functions count. ``busgen`` itself does not: it imports what it is asked for.
    """
    found: set[str] = set()
    left = list(entries)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += read_imports(name)
    return tuple(sorted(found))


@cache
def hash_code(*entries: str) -> str:
    """Return the hex SHA-256 of the import closure of `entries`, comments and docstrings apart."""
    digest = hashlib.sha256()
    for name in import_closure(*entries):
        digest.update(name.encode() + b"\0" + read_module(name)[1] + b"\0")
        for path in _encode(name):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def read_imports(name: str) -> tuple[str, ...]:
    """Return the modules of ours that the module `name` imports, and their packages."""
    return read_module(name)[0]


@cache
def read_module(name: str) -> tuple[tuple[str, ...], bytes]:
    """Return what a module imports of ours and its statements: parsed once for all entries."""
    found: set[str] = set()
    tree = ast.parse(_source(name).read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    found |= {parent for each in (*found, name) for parent in _packages(each)}
    ours = tuple(sorted(each for each in found if _is_module(each) and each != "busgen"))
    return ours, ast.dump(tree).encode()


def _packages(name: str) -> list[str]:
    """Return the packages around a module: ``a.b.c`` is in ``a.b`` and ``a``."""
    words = name.split(".")
    return [".".join(words[:k]) for k in range(1, len(words))]


def _is_module(name: str) -> bool:
    """Return whether `name` is a module or package of busgen or its flows."""
    return name.split(".")[0] in PACKAGES and _source(name).is_file()


def _source(name: str) -> Path:
    """Return the source file of a module or package, whether it exists or not."""
    path = ROOT.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _encode(name: str) -> list[Path]:
    """Return the templates and scripts in the folder of a package; none of a module."""
    folder = ROOT.joinpath(*name.split("."))
    return sorted(path for path in folder.glob("*") if path.suffix in TEXTS)
