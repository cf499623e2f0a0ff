"""The commands `busgen dev ...`: for whoever works on the code, in a checkout."""

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="For whoever works on the code, in a checkout.")


@app.callback()
def dev() -> None:
    """Keep the subcommands' names: Typer would drop that of a single one."""


@app.command()
def deps(
    write: Annotated[bool, typer.Option("--write/--check", help="Write the file, or compare.")],
) -> None:
    """Let flows/code.yaml hold the hash of the code that each stage of dvc.yaml imports."""
    from busgen import pipeline
    from busgen.errors import UserError

    checkout = pipeline.enter_checkout()
    if write:
        pipeline.write_code_hashes(checkout)
    elif (checkout / pipeline.CODE).read_text() != pipeline.code_hashes(checkout):
        rule = f"{pipeline.CODE} must hold the hashes of today's code"
        raise UserError(rule, "others", "run `busgen dev deps --write`")
