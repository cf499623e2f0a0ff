"""The commands `busgen study make`, `busgen study score` and `busgen study example`.

In: words of the command line. Out: one function called, its outcome printed.
"""

from pathlib import Path
from typing import Annotated

import typer

from busgen.cli.command import Command
from busgen.cli.screen import RealOption, Target, out, print_rows, to_words

app = typer.Typer(
    no_args_is_help=True, help="Reader study: do people tell synthetic images from real ones?"
)


@app.command(cls=Command)
def make(  # noqa: PLR0913 - a command's options are its signature
    release: Annotated[Path, typer.Argument(help="Release folder.")],
    real: RealOption,
    folder: Annotated[Path, typer.Option("--out", help="Folder to write, new or empty.")],
    n: Annotated[int, typer.Option(help="Images, half of them real.")] = 40,
    seed: Annotated[
        int, typer.Option(help="Root seed: which images, in which order; keep it from readers.")
    ] = 0,
    split: Annotated[
        list[str] | None,
        typer.Option(help="Real patients: test (the default) or validation; repeatable."),
    ] = None,
    descriptors: Annotated[
        bool, typer.Option(help="Ask for BI-RADS and descriptors too, optionally.")
    ] = True,
) -> None:
    """Write the page for readers, study.html, and its answers, key.json."""
    from busgen.reader_study.page import KEY_FILE, PAGE, write_study
    from busgen.reader_study.study import Options

    request = Options(n, seed, tuple(split or ("test",)))
    key = write_study(release, real, folder, request, descriptors=descriptors)
    out.print(f"study    {key['study']}, {n} images", soft_wrap=True)
    out.print(f"page     {folder / PAGE}, for readers", soft_wrap=True)
    out.print(f"key      {folder / KEY_FILE}, not for readers", soft_wrap=True)
    to_words("the page holds images of patients: give it to readers only, never publish it")


@app.command(cls=Command)
def score(
    answers: Annotated[list[Path], typer.Argument(help="Files that readers saved.")],
    key: Annotated[Path, typer.Option(help="The study's key.json.")],
    folder: Target,
) -> None:
    """Score the readers: sensitivity, specificity, AUC, agreement; figure and tables."""
    from busgen.reader_study.summary import to_rows, write_scores

    scores = write_scores(answers, key, folder)
    print_rows(to_rows(scores))
    out.print(f"[bold]{scores['verdict']}[/]\nwritten  {folder}", soft_wrap=True)


@app.command(cls=Command)
def example(folder: Target) -> None:
    """Run a study end to end with two simulated readers; no patient's image is needed."""
    from busgen.reader_study.example import write_example
    from busgen.reader_study.summary import to_rows

    scores = write_example(folder, to_words)
    print_rows(to_rows(scores))
    out.print(f"[bold]{scores['verdict']}[/]\nwritten  {folder}", soft_wrap=True)
    to_words("page: study/study.html; scores: scores/README.md; both readers are simulated")
