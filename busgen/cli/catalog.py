"""The command `busgen list`: what can be asked for, from the tables that the code itself reads.

In: the kind of thing. Out: a table on the screen, or JSON.
"""

import json
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from busgen.cli.screen import AsJson, out, print_rows

Rows = list[dict[str, Any]]


class Kind(StrEnum):
    """What `busgen list` knows."""

    SCANNERS = "scanners"
    TERMS = "terms"
    ENGINES = "engines"
    DATASETS = "datasets"
    GATES = "gates"


def list_known(
    kind: Annotated[Kind, typer.Argument(help="What to list.")], as_json: AsJson = False
) -> None:
    """List what can be asked for: scanners, terms, engines, real datasets, gates."""
    rows = LISTS[kind]()
    if as_json:
        out.print_json(json.dumps(rows))
    else:
        print_rows([{key: _cell(value) for key, value in row.items()} for row in rows])


def _cell(value: object) -> object:
    if isinstance(value, list):
        return ", ".join(value)
    return "-" if value is None else value


def _scanners() -> Rows:
    """Return scanners with the image engines that draw them, as `--set scanner=` takes them."""
    from busgen.images.diffusion.scanners import STYLES
    from busgen.images.phantom import scanners

    by_engine = {"diffusion": STYLES, "phantom": tuple(scanners.STYLES)}
    return [{"scanner": s, "engine": engine} for engine, own in by_engine.items() for s in own]


def _terms() -> Rows:
    """Return the terms of each field, as `--set FIELD=TERM` takes them."""
    from busgen.priors.text.lexicon import TERMS

    return [{"field": name, "terms": list(terms)} for name, terms in TERMS.items()]


def _engines() -> Rows:
    """Return mask and image engines with the option that names them."""
    from busgen.images import engines as images
    from busgen.masks import engines as masks

    options = (("--engine", images.ENGINES), ("--mask-engine", masks.ENGINES))
    return [{"engine": name, "option": option} for option, known in options for name in known]


def _datasets() -> Rows:
    """Return the public datasets that `busgen real` reads, with what their licences allow."""
    from dataclasses import asdict

    from busgen.real.readers.registry import DATASETS

    return [asdict(info) for info in DATASETS.values()]


def _gates() -> Rows:
    """Return the gates with their bounds, as `generate.gates` of params.yaml changes them."""
    from busgen.params.gates import DEFAULT_GATES
    from busgen.schema import BY_NAME

    return [
        {"gate": name} | gate.model_dump() | {"unit": BY_NAME[name].unit, "of": BY_NAME[name].about}
        for name, gate in DEFAULT_GATES.items()
    ]


LISTS: dict[Kind, Callable[[], Rows]] = {
    Kind.SCANNERS: _scanners,
    Kind.TERMS: _terms,
    Kind.ENGINES: _engines,
    Kind.DATASETS: _datasets,
    Kind.GATES: _gates,
}
