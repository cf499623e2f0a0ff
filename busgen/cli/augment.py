"""The command `busgen augment`.

In: words of the command line. Out: one function called, its outcome printed.
"""

from pathlib import Path
from typing import Annotated

import typer

from busgen.cli.screen import out, to_words
from busgen.progress import progress


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
