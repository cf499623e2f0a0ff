"""The command `busgen`: each subcommand checks its words, calls one function, prints the outcome.

The subcommands stand in `busgen.cli` by family. Heavy parts are imported inside the commands that
use them, so that `busgen --help` is instant.
"""

import sys
import warnings
from typing import Annotated

import typer
from rich.markup import escape

from busgen import NOT_FOR_CLINICAL_USE, __version__
from busgen.cli import catalog, dev, generate, learn, release, report, score, study
from busgen.cli.screen import err, out
from busgen.errors import BusgenError, UserError

COMMANDS = (
    generate.generate,
    generate.merge,
    generate.run,
    generate.augment,
    learn.real,
    learn.train,
    learn.calibrate,
    release.verify,
    release.show,
    release.diff,
    score.inspect,
    score.score,
    score.privacy,
    score.downstream,
    report.report,
    release.export,
    release.push,
    release.tag,
    release.versions,
    score.bench,
)  # in the order in which `busgen --help` lists them

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=f"Make, check and compare synthetic breast-ultrasound datasets. {NOT_FOR_CLINICAL_USE}.",
)
for command in COMMANDS:
    app.command()(command)
app.command("list")(catalog.list_known)
app.add_typer(study.app, name="study")
app.add_typer(dev.app, name="dev")


def main() -> None:
    """Run the command line; a user's mistake is one message and exit code 2."""
    warnings.filterwarnings("ignore", "Image size .* exceeds limit")  # we refuse smaller ones
    try:
        app()
    except BusgenError as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(2 if isinstance(error, UserError) else 1)


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print it.")] = False) -> None:
    """Print the version."""
    if show:
        out.print(f"busgen {__version__}")
        raise typer.Exit
