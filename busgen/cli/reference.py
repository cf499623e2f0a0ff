"""The pages of docs/reference: what the code itself says of commands, parameters, columns, Python.

In: the command line, the parameter models, the schema, docstrings. Out: the text of each page.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from busgen.cli.command import describe
from busgen.templates import to_markdown

FOLDER = Path("docs/reference")
NOTE = "<!-- Written by `busgen dev docs --write` from the code: do not edit. -->\n"
EVERY = ("help", "quiet", "verbose")  # options of every command
MEANT = {"Path": "path", "NoneType": "null", "str": "text", "bool": "true or false"}


def reference_pages(checkout: Path) -> dict[Path, str]:
    """Return the text of every page of docs/reference, by its path in the checkout."""
    from busgen.release.description.card import write_dictionary

    pages = {
        "cli": _describe_commands(),
        "params": _describe_params(),
        "schema": write_dictionary().replace("# Data dictionary", "# Columns", 1),
        "python": _describe_python(checkout),
    }
    return {FOLDER / f"{name}.md": f"{NOTE}\n{text}" for name, text in pages.items()}


def _describe_commands() -> str:
    """Return every command with its arguments and options."""
    import typer

    from busgen.cli import app

    parts = [
        "# Command line\n",
        "`busgen --version` prints the version. Every command has `-h`: help; `-q`: results and "
        "errors alone; `-v`: also the seconds it took, and where it failed. "
        "`busgen --install-completion` lets your shell complete words.\n",
    ]
    for name, command in _commands(typer.main.get_command(app), "busgen"):
        parts.append(f"## `{name}`\n\n{inspect.cleandoc(command.help or '')}\n")
        rows = [_option(command.name, one) for one in command.params if one.name not in EVERY]
        parts.append(to_markdown(("option", "meaning", "default"), rows) if rows else "")
    return "\n".join(parts)


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - click's types
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
        return
    for word, one in below.items():
        yield from _commands(one, f"{name} {word}")


def _option(command: str, option: Any) -> tuple[str, str, str]:  # noqa: ANN401 - click's types
    """Return what to type, what it means, and what holds where it is left out."""
    if option.param_type_name == "argument":
        typed = f"`{option.name.upper()}`"
    else:
        names = " / ".join([*option.opts, *option.secondary_opts])
        kind = "" if option.is_flag else f" {option.type_descriptor.annotation.__name__.upper()}"
        typed = f"`{names}{kind}`"
    value = option.default
    shown = "" if value in (None, False, (), []) or callable(value) else f"`{value}`"
    meaning = describe(command, option).replace("|", "\\|")
    return typed, meaning, "required" if option.required else shown


def _describe_params() -> str:
    """Return every section of params.yaml with its keys, types, rules and defaults."""
    from busgen.params.load import Params

    parts = [
        "# Parameters\n",
        "`params.yaml` has one section a stage. An unknown key is an error. "
        "`busgen generate --params FILE` takes such a file too.\n",
    ]
    for name, field in Params.model_fields.items():
        parts += _section(name, field.annotation)
    return "\n".join(parts)


def _section(name: str, model: Any) -> Iterator[str]:  # noqa: ANN401 - a pydantic model's class
    """Yield a section's heading, what it is about and its keys; then those of sections below."""
    yield f"## `{name}`\n\n{' '.join((inspect.getdoc(model) or '').split())}\n"
    below = {
        key: field.annotation
        for key, field in model.model_fields.items()
        if hasattr(field.annotation, "model_fields")
    }
    rows = [
        (f"`{key}`", _type(field.annotation), _rules(field), _shown(field.get_default()))
        for key, field in model.model_fields.items()
        if key not in below
    ]
    yield to_markdown(("key", "type", "rule", "default"), rows) if rows else ""
    for key, one in below.items():
        yield from _section(f"{name}.{key}", one)


def _type(annotation: object) -> str:
    plain = isinstance(annotation, type) and not getattr(annotation, "__args__", ())
    words = str(getattr(annotation, "__name__", annotation) if plain else annotation)
    words = re.sub(r"(?:[A-Za-z_]\w*\.)+", "", words)
    for python, meant in MEANT.items():
        words = re.sub(rf"\b{python}\b", meant, words)
    return words.replace("None", "null").replace("|", "\\|")


def _rules(field: Any) -> str:  # noqa: ANN401 - pydantic's FieldInfo
    names = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "multiple_of": "multiple of"}
    found = [
        f"{words} {getattr(rule, key)}"
        for rule in field.metadata
        for key, words in names.items()
        if getattr(rule, key, None) is not None
    ]
    return ", ".join(found)


def _shown(value: object) -> str:
    """Return a default as YAML would have it; long ones stand in params.yaml."""
    kinds = {type(one) for one in value.values()} if isinstance(value, dict) else set()
    if isinstance(value, dict) and any(hasattr(kind, "model_fields") for kind in kinds):
        return f"{len(value)} entries, see `params.yaml`"
    words = "null" if value is None else str(list(value) if isinstance(value, tuple) else value)
    return f"`{words}`"


def _describe_python(checkout: Path) -> str:
    """Return the library call in full, then what each module of every room holds."""
    import busgen

    parts = ["# Python\n"]
    for name in ("generate", "load", "Dataset", "score"):
        thing = getattr(busgen, name)
        signature = inspect.signature(thing) if inspect.isfunction(thing) else ""
        parts.append(
            f"## `busgen.{name}`\n\n```text\n{name}{signature}\n\n{inspect.getdoc(thing)}\n```\n"
        )
    parts.append("## Modules\n\nThe first line of each module: the map of the code.\n")
    for room in sorted(path.parent for path in checkout.glob("busgen/*/__init__.py")):
        rows = []
        for path in sorted(room.rglob("*.py")):
            if path.name != "__init__.py":
                dotted = ".".join(path.relative_to(checkout).with_suffix("").parts)
                about = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
                first = about.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
                rows.append((f"`{dotted}`", first))
        parts.append(f"### {room.name}\n\n{to_markdown(('module', 'what it holds'), rows)}")
    return "\n".join(parts)
