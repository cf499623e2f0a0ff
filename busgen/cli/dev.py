"""The commands `busgen dev ...`, for whoever works on the code, in a checkout.

In: words of the command line. Out: one function called, its outcome printed.
"""

from enum import StrEnum
from importlib import import_module
from typing import Annotated

import typer

from busgen.cli.command import Command
from busgen.cli.screen import RealFolder, Target, out, write_pages

app = typer.Typer(no_args_is_help=True, help="For whoever works on the code, in a checkout.")


class _Asset(StrEnum):
    """What can be fitted that ships in `busgen/assets` and is neither engine nor judge."""

    GATES = "gates"
    HOSPITALS = "hospitals"
    LITE1 = "lite1"
    OVERLAYS = "overlays"
    US64 = "us64"


FITTING = {  # module of fit_NAME(real data, folder to write)
    _Asset.GATES: "gates.calibration.fit",
    _Asset.HOSPITALS: "evaluation.held_out_features",
    _Asset.LITE1: "metrics.spaces.lite1",
    _Asset.OVERLAYS: "real.overlay_fitting",
    _Asset.US64: "metrics.spaces.us64.training",
}


@app.command(cls=Command)
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


@app.command(cls=Command)
def fit(
    what: Annotated[_Asset, typer.Argument(help="Folder of busgen/assets.")],
    folder: RealFolder,
    target: Target,
) -> None:
    """Fit or measure what ships in busgen/assets; some minutes of one core."""
    from busgen.folders import write_folder

    fit = getattr(import_module(f"busgen.{FITTING[what]}"), f"fit_{what}")
    with write_folder(target, f"fitted {what}") as partial:
        fit(folder, partial)
    out.print(f"written  {target}", soft_wrap=True)


@app.command(cls=Command)
def docs(
    write: Annotated[bool, typer.Option("--write/--check", help="Write the pages, or compare.")],
) -> None:
    """Let docs/reference say what the code says: commands, parameters, columns, modules."""
    from busgen.cli.reference import reference_pages
    from busgen.pipeline import enter_checkout

    checkout = enter_checkout()
    write_pages(checkout, reference_pages(checkout), "busgen dev docs", write=write)
