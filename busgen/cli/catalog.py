"""The command `busgen list`: what can be asked for, from the tables that the code itself reads.

In: the kind of thing. Out: a table on the screen, or JSON.
"""

from dataclasses import asdict
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

import typer

from busgen.cli.screen import AsJson, print_record, print_rows


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
    print_record(_rows(kind), as_json, partial(_show, kind))


ABOUT = {
    Kind.SCANNERS: "Ask for one with `busgen generate --set scanner=NAME` and its engine.",
    Kind.TERMS: "Ask for one with `busgen generate --set FIELD=TERM`.",
    Kind.ENGINES: "Choose one with the option of `busgen generate` that stands beside it.",
    Kind.DATASETS: "Read one with `busgen real NAME=FOLDER --out DIR`.",
    Kind.GATES: "Change one with `busgen generate --gates NAME=flag`, or NAME.max=NUMBER.",
}


def _show(kind: Kind, rows: list[dict[str, Any]]) -> None:
    if kind is Kind.GATES:
        rows = [_describe_gate(row) for row in rows]
    for row in rows:
        row |= {k: ", ".join(value) for k, value in row.items() if isinstance(value, list | tuple)}
        row |= {k: "-" for k, value in row.items() if value is None}
    print_rows(rows, ABOUT[kind])


def _describe_gate(row: dict[str, Any]) -> dict[str, Any]:
    """Return a gate's row with its bounds in one column."""
    signs = {"min": ">=", "max": "<="}
    bounds = [f"{sign} {row[k]:g} {row['unit']}" for k, sign in signs.items() if row[k] is not None]
    return {"gate": row["gate"], "passes": ", ".join(bounds)} | {
        k: row[k] for k in ("action", "out_of_domain", "of")
    }


def _rows(kind: Kind) -> list[dict[str, Any]]:
    match kind:
        case Kind.SCANNERS:  # as `--set scanner=` takes them
            from busgen.images.diffusion import scanners as devices
            from busgen.images.phantom import beams as styles

            engines = {"diffusion": devices.STYLES, "phantom": tuple(styles.STYLES)}
            return [{"scanner": s, "engine": name} for name, own in engines.items() for s in own]
        case Kind.TERMS:  # as `--set FIELD=TERM` takes them
            from busgen.priors.text.lexicon import TERMS

            return [{"field": name, "terms": list(terms)} for name, terms in TERMS.items()]
        case Kind.ENGINES:
            from busgen.images import engines as images
            from busgen.masks import engines as masks

            options = {"--engine": [*images.ENGINES], "--mask-engine": [*masks.ENGINES]}
            return [{"engine": e, "option": name} for name, known in options.items() for e in known]
        case Kind.DATASETS:  # that `busgen real` reads
            from busgen.real.readers.registry import DATASETS

            return [asdict(info) for info in DATASETS.values()]
        case Kind.GATES:  # as `generate.gates` of params.yaml changes them
            from busgen.params.gates import DEFAULT_GATES
            from busgen.schema import BY_NAME

            return [
                {"gate": n, **gate.model_dump(), "unit": BY_NAME[n].unit, "of": BY_NAME[n].about}
                for n, gate in DEFAULT_GATES.items()
            ]
