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
    from busgen import dependencies
    from busgen.errors import UserError
    from busgen.pipeline import enter_checkout

    checkout = enter_checkout()
    if write:
        dependencies.write_code_hashes(checkout)
    elif (checkout / dependencies.CODE).read_text() != dependencies.code_hashes(checkout):
        rule = f"{dependencies.CODE} must hold the hashes of today's code"
        raise UserError(rule, "others", "run `busgen dev deps --write`")


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
