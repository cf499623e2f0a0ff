"""The command `busgen`: each subcommand checks its words, calls one function, prints the outcome.

The subcommands stand in `busgen.cli` by family. Heavy parts are imported inside the commands that
use them, so that `busgen --help` is instant.
"""

import sys
import time
import warnings
from typing import Annotated

import typer
from rich.markup import escape

from busgen import NOT_FOR_CLINICAL_USE, __version__
from busgen.cli import (
    bench,
    catalog,
    dev,
    generate,
    learn,
    parts,
    release,
    report,
    score,
    study,
)
from busgen.cli.command import Command, Quiet, Verbose, set_verbosity
from busgen.cli.screen import err, out, to_words
from busgen.errors import BusgenError, UserError
from busgen.progress import VERBOSITY

COMMANDS = (
    generate.generate,
    parts.merge,
    generate.run,
    parts.augment,
    learn.real,
    learn.train,
    learn.calibrate,
    release.verify,
    release.show,
    report.browse,
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
    bench.bench,
)  # in the order in which `busgen --help` lists them

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=f"Make, check and compare synthetic breast-ultrasound datasets. {NOT_FOR_CLINICAL_USE}.",
)
for command in COMMANDS:
    app.command(cls=Command)(command)
app.command("list", cls=Command)(catalog.list_known)
app.add_typer(study.app, name="study")
app.add_typer(dev.app, name="dev")


def main() -> None:
    """Run the command line; a user's mistake is one message and exit code 2."""
    warnings.filterwarnings("ignore", "Image size .* exceeds limit")  # we refuse smaller ones
    VERBOSITY.set(0)
    start = time.perf_counter()
    try:
        app()
    except (BusgenError, ModuleNotFoundError) as error:
        if VERBOSITY.get() > 0:
            err.print_exception()
        said = _say_missing(error) if isinstance(error, ModuleNotFoundError) else error
        err.print(f"[bold red]error:[/] {escape(str(said))}", soft_wrap=True)
        sys.exit(2 if isinstance(said, UserError) else 1)
    finally:
        if VERBOSITY.get() > 0:
            to_words(f"took {time.perf_counter() - start:.1f} s")


def _say_missing(error: ModuleNotFoundError) -> UserError:
    """Return what to do about a package that a light install leaves out; others are ours."""
    name = (error.name or "").partition(".")[0]
    if name in ("", "busgen"):
        raise error
    remedy = f"pip install {name.replace('_', '-')}"
    return UserError("this command needs a further package", f"no {name}", remedy)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print it.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Print the version."""
    set_verbosity(quiet, verbose)
    if show:
        out.print(f"busgen {__version__}")
        raise typer.Exit
