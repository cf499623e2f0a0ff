"""The command `busgen bench`: the promised figures, measured, and the pages of results.

In: words of the command line. Out: one function called, its outcome printed.
"""

import json
import sys
from typing import Annotated

import typer

from busgen.cli import screen
from busgen.cli.command import complete
from busgen.cli.screen import AsJson, print_rows
from busgen.errors import UserError


def _list_benches() -> tuple[str, ...]:
    from busgen.bench.harness import NAMES

    return NAMES


def bench(
    name: Annotated[
        str | None,
        typer.Argument(help="What to measure.", autocompletion=complete(_list_benches)),
    ] = None,
    as_json: AsJson = False,
    quick: Annotated[bool, typer.Option(help="Few samples: a rehearsal, no result.")] = False,
    write: Annotated[
        bool | None,
        typer.Option("--write/--check", help="Write docs/results from JSON, or compare."),
    ] = None,
    note: Annotated[
        str | None, typer.Option(help="With NAME --write: under which circumstances.")
    ] = None,
) -> None:
    """Measure the promised figures and say which bars hold; write the pages of results."""
    from busgen.bench import harness

    if write is not None:
        _write_results(name, note, write=write, quick=quick)
    elif name is None:
        raise UserError("a benchmark must be named", "none", f"one of {', '.join(harness.NAMES)}")
    elif as_json:
        record = harness.run(name, quick=quick)
        sys.stdout.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
    else:
        rows = harness.to_rows(harness.run(name, quick=quick))
        held = [row["holds"] for row in rows]
        print_rows(rows, f"{held.count('yes')} of {len(rows) - held.count('-')} bars hold.")


def _write_results(name: str | None, note: str | None, *, write: bool, quick: bool) -> None:
    """Write or compare the pages of results; with a name, measure it first and keep its record."""
    from busgen.bench import harness, results
    from busgen.pipeline import enter_checkout

    if name is not None and (quick or not write):
        rule = "a record that is kept must be a whole measurement"
        raise UserError(rule, "--quick or --check", "leave it out")
    checkout = enter_checkout()
    if name is not None:
        results.keep_record(checkout, harness.run(name) | ({"note": note} if note else {}))
    screen.write_pages(checkout, results.result_pages(checkout), "busgen bench", write=write)
