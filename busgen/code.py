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
            left += read_module(name)[0]
    return tuple(sorted(found))


@cache
def hash_code(*entries: str) -> str:
    """Return the hex SHA-256 of the import closure of `entries`, comments and docstrings apart."""
    digest = hashlib.sha256()
    for name in import_closure(*entries):
        digest.update(name.encode() + b"\0" + read_module(name)[1] + b"\0")
        folder = ROOT.joinpath(*name.split("."))  # of a package: its templates and scripts too
        for path in sorted(path for path in folder.glob("*") if path.suffix in TEXTS):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


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
    for words in [each.split(".") for each in (*found, name)]:  # ``a.b.c`` is in ``a.b`` and ``a``
        found |= {".".join(words[:k]) for k in range(1, len(words))}
    ours = [n for n in found if n.split(".")[0] in PACKAGES and _source(n).is_file()]
    return tuple(sorted({*ours} - {"busgen"})), ast.dump(tree).encode()


def _source(name: str) -> Path:
    """Return the source file of a module or package, whether it exists or not."""
    path = ROOT.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
