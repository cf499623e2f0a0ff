"""The commands that learn from real data: `busgen real`, `busgen train`, `busgen calibrate`.

In: words of the command line. Out: one function called, its outcome printed.
"""

from pathlib import Path
from typing import Annotated

import typer

from busgen.cli import screen
from busgen.cli.screen import AsJson, ParamsFile, RealFolder, Target, out, resumable
from busgen.progress import progress


def real(
    datasets: Annotated[
        list[str], typer.Argument(help="NAME=PATH, folders as their publishers lay them out.")
    ],
    folder: Annotated[
        Path | None, typer.Option("--out", help="Keep the canonical Parquet and the cohort here.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read, clean, cluster and split public datasets; print what was found and left out."""
    import tempfile

    from busgen.folders import require_replaceable
    from busgen.real.prepare import REAL, count, parse_datasets, prepare

    named = parse_datasets(datasets)
    if folder:
        require_replaceable(folder, REAL)
    with tempfile.TemporaryDirectory() as scratch, progress("images read", count(named)) as tick:
        record = prepare(named, folder or Path(scratch) / "real", tick)
    screen.print_record(record, as_json, screen.print_cleaning)
    if folder and not as_json:
        out.print(f"written  {folder}", soft_wrap=True)


def train(  # noqa: PLR0913 - a command's options are its signature
    which: Annotated[str, typer.Argument(help="What to train: masks, images or judges.")],
    folder: RealFolder,
    target: Target,
    params: ParamsFile = None,
    preset: Annotated[
        str | None,
        typer.Option(help="images: small, base (GPU), sd15; rehearsal: some steps, no result."),
    ] = None,
    start: Annotated[Path | None, typer.Option(help="Generator to begin with.")] = None,
    adapt: Annotated[
        str | None, typer.Option(help="Data set to fit an adapter to, beside those in --out.")
    ] = None,
    rank: Annotated[int | None, typer.Option(help="Rank of the adapter: 2, 4 or 8.")] = None,
) -> None:
    """Train models on the training patients of real data; scores and cards beside the weights."""
    from busgen.cli.training import Options, train as learn
    from busgen.params.load import Params, load_params

    request = Options(which, folder, target, preset, start, adapt, rank)
    with resumable():
        learn(request, load_params(params) if params else Params())
    out.print(f"written  {target}", soft_wrap=True)


def calibrate(
    folder: RealFolder,
    target: Target,
    judges: Annotated[Path | None, typer.Option(help="Judges' folder, not what ships.")] = None,
    planted: Annotated[
        int | None, typer.Option(min=1, help="Plant faults into so many images; all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Calibrate the gates on held-out real patients; write the bounds with their evidence."""
    from busgen.evaluation.reference import calibrate as write_calibration
    from busgen.gates.calibration.bounds import to_rows
    from busgen.judges.judges import load_judges

    metrics = write_calibration(folder, target, load_judges(judges), planted)
    screen.print_record(metrics, as_json, lambda record: screen.print_rows(to_rows(record)))
    if not as_json:
        out.print(f"written  {target}", soft_wrap=True)
