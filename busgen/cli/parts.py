"""Runs in parts: what `busgen generate --shard` prints, and the command `busgen merge`.

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
