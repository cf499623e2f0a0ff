"""The commands `busgen dev ...`: for whoever works on the code, in a checkout."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from busgen.cli.screen import out

app = typer.Typer(no_args_is_help=True, help="For whoever works on the code, in a checkout.")


class Shipped(StrEnum):
    """What can be fitted that ships in `busgen/assets` and is neither engine nor judge."""

    GATES = "gates"
    LITE1 = "lite1"
    OVERLAYS = "overlays"
    US64 = "us64"


@app.command()
def deps(
    write: Annotated[bool, typer.Option("--write/--check", help="Write the file, or compare.")],
) -> None:
    """Let flows/code.yaml hold the hash of the code that each stage of dvc.yaml imports."""
    from busgen import pipeline
    from busgen.errors import UserError

    checkout = pipeline.enter_checkout()
    if write:
        pipeline.write_hashes(checkout)
    elif (checkout / pipeline.CODE).read_text() != pipeline.hash_code(checkout):
        rule = f"{pipeline.CODE} must hold the hashes of today's code"
        raise UserError(rule, "others", "run `busgen dev deps --write`")


@app.command()
def fit(
    what: Annotated[Shipped, typer.Argument(help="Folder of busgen/assets.")],
    folder: Annotated[Path, typer.Argument(help="What `busgen real ... --out` wrote.")],
    target: Annotated[Path, typer.Option("--out", help="Folder to write.")],
) -> None:
    """Fit to training patients what ships in busgen/assets; some minutes of one core."""
    from busgen.folders import write_folder

    with write_folder(target, f"fitted {what}") as partial:
        _fitting(what)(folder, partial)
    out.print(f"written  {target}", soft_wrap=True)


def _fitting(what: Shipped) -> Callable[[Path, Path], None]:
    """Return what fits to real data (a folder) and writes to another."""
    match what:
        case Shipped.GATES:
            from busgen.gates.calibration.fit import fit_gates

            return fit_gates
        case Shipped.LITE1:
            from busgen.metrics.spaces.lite1 import fit_lite1

            return fit_lite1
        case Shipped.OVERLAYS:
            from busgen.real.overlay_fitting import fit_overlays

            return fit_overlays
        case Shipped.US64:
            from busgen.metrics.spaces.us64.training import fit_us64

            return fit_us64


@app.command()
def docs(
    write: Annotated[bool, typer.Option("--write/--check", help="Write the pages, or compare.")],
) -> None:
    """Let docs/reference say what the code says: commands, parameters, columns, modules."""
    from busgen.cli.generated import check_pages, write_pages
    from busgen.cli.reference import reference_pages
    from busgen.pipeline import enter_checkout

    checkout = enter_checkout()
    pages = reference_pages(checkout)
    if write:
        write_pages(checkout, pages)
    else:
        check_pages(checkout, pages, "run `busgen dev docs --write`")
