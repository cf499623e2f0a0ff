"""Beside `busgen generate`: parts of a run, `busgen merge`, and `busgen augment`.

In: words of the command line. Out: one function called, its outcome printed.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from busgen.cli import tables
from busgen.cli.screen import out, resumable, to_words
from busgen.progress import progress

if TYPE_CHECKING:
    from busgen.params.load import Params


def make_part(params: "Params", shard: str, work: str) -> None:
    """Make a part of a run and print how far it is."""
    from busgen.factory import distributed

    part = distributed.parse_part(shard)
    with resumable(), progress("judged findings", params.generate.n // part.parts) as tick:
        done = distributed.make_part(params, part, work, tick)
    words = f"{done.shards} of {done.whole} shards, {done.made} made now, {done.findings} findings"
    out.print(f"part {shard}: {words}")


def merge(
    work: Annotated[str, typer.Argument(help="Folder or URL that the parts named by --work.")],
    folder: Annotated[Path, typer.Option("--out", help="Release folder to write.")],
) -> None:
    """Write the release of a run whose parts `busgen generate --shard` made."""
    from busgen.factory import distributed

    with resumable(), progress("judged findings", 0) as tick:
        distributed.merge(work, folder, tick, to_words)
    tables.print_summary(folder)


def augment(  # noqa: PLR0913 - a command's options are its signature
    real: Annotated[
        Path, typer.Argument(help="Your patients' images, as `busgen real` wrote them.")
    ],
    folder: Annotated[Path, typer.Option("--out", help="Folder to write; git must ignore it.")],
    n: Annotated[int, typer.Option(help="Number of images.")] = 100,
    where: Annotated[
        list[str] | None,
        typer.Option("--set", help="Condition, e.g. pathology=malignant; repeatable."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="A description in words.")] = None,
    seed: Annotated[int, typer.Option(help="Root seed.")] = 7,
    split: Annotated[str, typer.Option(help="Whose images: train, validation, test.")] = "train",
) -> None:
    """Draw lesions into your own patients' images; never a release, never to be shared."""
    from busgen.factory.augment import augment as draw_lesions

    with progress("images", n) as tick:
        draw_lesions(real, folder, n, tuple(where or ()), text, seed, split, tick=tick)
    out.print(f"written  {folder}", soft_wrap=True)
    to_words("patients' images with lesions drawn into them: keep them where those may be kept")
