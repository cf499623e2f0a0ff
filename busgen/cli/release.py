"""The commands for what was made: `busgen verify`, `show`, `diff`, `export`, `push`, `tag`...

In: words of the command line. Out: one function called, its outcome printed.
"""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from busgen.cli import screen, tables
from busgen.cli.command import complete
from busgen.cli.screen import AsJson, Target, out, print_rows, to_words
from busgen.errors import UserError

Folder = Annotated[Path, typer.Argument(help="Release folder.")]


def _list_forms() -> list[str]:
    from busgen.release.exports.export import FORMS

    return [*FORMS]


def verify(folder: Folder) -> None:
    """Check a release bit by bit: sums, images, index, contract."""
    from busgen.release.verify import verify as check_release

    if problems := check_release(folder):
        for problem in problems:
            out.print(f"[red]wrong[/]  {escape(str(problem))}", soft_wrap=True)
        raise typer.Exit(1)
    out.print(f"[green]sound[/]  {escape(str(folder))}", soft_wrap=True)


def show(
    sample_id: Annotated[str, typer.Argument(help="Sample to show.")],
    folder: Annotated[Path, typer.Option("--in", help="Release folder.")] = Path("data/release"),
    again: Annotated[bool, typer.Option("--again", help="Render it anew and compare.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print one sample's whole history: finding, attempts, scores, verdicts."""
    from busgen.io import read_json
    from busgen.release import show as shown
    from busgen.release.files import PROVENANCE

    history = shown.read_history(folder, sample_id)
    found = shown.redraw(folder, sample_id) if again else None
    if as_json:
        out.print_json(json.dumps({"history": history, "again": found}, default=str))
    else:
        tables.print_history(history, read_json(folder / PROVENANCE)["plan"]["gates"])
        if found:
            tables.print_redrawn(found)
    if found and not (found["same_image"] and found["same_mask"]):
        raise typer.Exit(1)


def diff(
    a: Annotated[str, typer.Argument(help="Release folder or tag.")],
    b: Annotated[str, typer.Argument(help="Release folder or tag.")],
    as_json: AsJson = False,
) -> None:
    """Compare two releases: what got better or worse, distributions, gates, counts, provenance."""
    from busgen.cli.versions import open_release, read_scores
    from busgen.downstream.results import headline
    from busgen.release import diff as compared

    with open_release(a) as first, open_release(b) as second:
        found = compared.diff(first, second)
        record = headline.compare(read_scores(a), read_scores(b))
    if not as_json:
        from rich.markdown import Markdown

        print_rows(headline.to_rows(record))
        to_words(headline.ABOUT if record else headline.NOTHING)
        out.print(Markdown(compared.to_markdown(found)))
        better, worse = ([one["verdict"] for one in record].count(v) for v in ("better", "worse"))
        out.print(f"The second is better in {better} of {len(record)} scores, worse in {worse}.")
    else:
        out.print_json(json.dumps(found | {"changes": record}, default=str))


def export(
    folder: Folder,
    target: Target,
    form: Annotated[
        str, typer.Option("--as", help="Form.", autocompletion=complete(_list_forms))
    ] = "folder",
    key: Annotated[Path | None, typer.Option(help="Private key (PEM) that signs images.")] = None,
    certificates: Annotated[Path | None, typer.Option(help="Its certificates (PEM).")] = None,
) -> None:
    """Write a release in the form that other tools open; signed, where a key is named."""
    from busgen.release.exports.export import export as write
    from busgen.release.signing import Signature

    if (key is None) != (certificates is None):
        given = "--key" if key else "--certificates"
        raise UserError("signing needs key and certificates", f"{given} alone", "name both")
    write(folder, target, form, Signature(key, certificates) if key and certificates else None)
    out.print(f"written  {target}", soft_wrap=True)


def push(
    name: Annotated[str, typer.Argument(help="Dataset on the hub, as OWNER/NAME.")],
    folder: Annotated[Path, typer.Option("--in", help="Release folder.")] = Path("data/release"),
    public: Annotated[bool, typer.Option("--public", help="A new one is for everybody.")] = False,
) -> None:
    """Write a release to the Hugging Face hub, in one commit; killed and run again, it goes on."""
    from busgen.release.push import push as upload

    out.print(f"pushed   {upload(folder, name, private=not public)}", soft_wrap=True)


def tag(
    name: Annotated[str, typer.Argument(help="Name of the version.")],
    failing: Annotated[bool, typer.Option("--failing", help="Even if it fails a limit.")] = False,
) -> None:
    """Record the pipeline's dataset as a version: git tag and DVC."""
    from busgen import pipeline
    from busgen.cli import versions as recorded

    pipeline.enter_checkout()
    commit = recorded.tag(name, failing=failing)
    out.print(f"tagged   {name} at {commit}; share it with `dvc push` and `git push --tags`")


def versions(as_json: AsJson = False) -> None:
    """List the tagged dataset versions: generators, utility, quality, cost in seconds."""
    from busgen import pipeline
    from busgen.cli import versions as recorded

    pipeline.enter_checkout()
    found = recorded.versions()
    screen.print_record(found, as_json, tables.print_versions)
    if not found and not as_json:
        to_words("no dataset version yet: `busgen tag NAME` records one")
