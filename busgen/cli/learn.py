"""The commands that learn from real data: `busgen real`, `busgen train`, `busgen calibrate`.

In: words of the command line. Out: one function called, its outcome printed.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from busgen.cli import screen, tables
from busgen.cli.screen import AsJson, ParamsFile, RealFolder, Target, out, resumable
from busgen.errors import UserError
from busgen.progress import progress

if TYPE_CHECKING:
    from busgen.params.load import Params

SD15 = "sd15"


def real(
    datasets: Annotated[
        list[str], typer.Argument(help="NAME=PATH, folders as their publishers lay them out.")
    ],
    folder: Annotated[
        Path | None, typer.Option("--out", help="Keep the canonical Parquet and the cohort here.")
    ] = None,
    maps: Annotated[
        list[Path] | None, typer.Option("--map", help="Map (YAML) of a dataset of your own.")
    ] = None,
    guess: Annotated[
        bool, typer.Option("--guess", help="Propose the map of NAME=PATH, read nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read, clean, cluster and split real datasets; print what was found and left out."""
    import tempfile

    from busgen.folders import require_replaceable
    from busgen.params.real import load_map
    from busgen.real.prepare import REAL, count, parse_datasets, prepare
    from busgen.real.readers.mapped import propose

    if guess:
        typer.echo("".join(map(propose, datasets)), nl=False)
        return
    given = {one.name: one for one in map(load_map, maps or ())}
    named = parse_datasets(datasets, given)
    if folder:
        require_replaceable(folder, REAL)
    total = count(named, given)
    with tempfile.TemporaryDirectory() as scratch, progress("images read", total) as tick:
        record = prepare(named, folder or Path(scratch) / "real", tick, given)
    screen.print_record(record, as_json, tables.print_cleaning)
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
    without: Annotated[
        list[str] | None, typer.Option(help="Dataset that is not learned from, e.g. busi.")
    ] = None,
) -> None:
    """Train models on the training patients of real data; scores and cards beside the weights."""
    from busgen.params.load import Params, load_params

    request = Options(which, folder, target, preset, start, adapt, rank, tuple(without or ()))
    with resumable():
        _train(request, load_params(params) if params else Params())
    out.print(f"written  {target}", soft_wrap=True)


class Options(NamedTuple):
    """What is to be trained, on which canonical data, and where it goes.

    `start` folder of a generator to begin with; `adapt` data set to fit an adapter to, of `rank`;
    `without` datasets that are not learned from.
    """

    which: str
    folder: Path
    out: Path
    preset: str | None = None
    start: Path | None = None
    adapt: str | None = None
    rank: int | None = None
    without: tuple[str, ...] = ()


def _train(request: Options, params: "Params") -> None:
    """Train what is asked for; a killed training, asked for again, goes on where it was.

    Raises `UserError` if it cannot be trained, or an option does not go with it.
    """
    images = _stable_diffusion if request.preset == SD15 else _images
    known = {"masks": _masks, "images": images, "judges": _judges}
    if request.which not in known:
        remedy = f"choose from {', '.join(known)}"
        raise UserError("what can be trained must be named", request.which, remedy)
    given = {"--start": request.start, "--adapt": request.adapt, "--rank": request.rank}
    foreign = [name for name, value in given.items() if value is not None]
    if foreign and request.which != "images":
        raise UserError(f"{request.which} must be trained from nothing", foreign[0], "leave it out")
    if request.rank is not None and request.adapt is None:
        raise UserError("--rank must come with --adapt", request.rank, "name the data set")
    if request.without:
        _check_start(request, request.start or params.train_images.start)
    known[request.which](request, params)


def _check_start(request: Options, start: Path | None) -> None:
    """Raise `UserError` if what it begins with has learned from what is to be left out."""
    from busgen.factory.plan import UNKNOWN, list_sources
    from busgen.params.generate import GenerateParams

    if request.adapt is not None:
        raise UserError("an adapter must learn from one dataset", "--without", "leave it out")
    if start is None or request.which != "images" or request.preset == SD15:
        return
    model = GenerateParams(model=str(start))
    learned = list_sources(model, {"datasets": ()}, judged=False)["images"]
    if known := sorted({*request.without, UNKNOWN} & set(learned)):
        rule = "a generator to begin with must not have learned from what is left out"
        raise UserError(rule, f"{known[0]} in {start}", "begin with another, or from nothing")


def _masks(request: Options, params: "Params") -> None:
    from busgen.masks.semantic_curvature.training import stage

    if request.preset is not None:
        raise UserError("masks must be trained without a preset", request.preset, "leave it out")
    plan = stage.plan(request.folder, request.out, params.train_masks, request.without)
    with progress("outlines", plan.schedule.images_seen) as tick:
        stage.train(plan, tick)


def _judges(request: Options, params: "Params") -> None:
    from busgen.judges.training import library
    from busgen.params.presets import with_preset

    chosen = with_preset(params.train_judges, "train_judges", request.preset)
    plan = library.resolve(request.folder, request.out, chosen, request.without)
    with progress("training crops", plan.plan.n) as tick:
        library.train(plan, tick)


def _images(request: Options, params: "Params") -> None:
    from busgen.images.diffusion.training import adapter, plan, stage
    from busgen.metrics.adapter_scores import score
    from busgen.params.presets import with_preset

    chosen = with_preset(params.train_images, "train_images", request.preset)
    if request.start is not None:
        chosen = chosen.model_copy(update={"start": request.start})
    if request.adapt is None:
        training = plan.plan(request.folder, request.out, chosen, request.without)
        with progress("sentences and images", sum(training.images_seen.values())) as tick:
            stage.train(training, tick)
        return
    rank = chosen.adapter.rank if request.rank is None else request.rank
    adaptation = adapter.plan(request.folder, request.out, request.adapt, chosen, rank)
    with progress("images", adaptation.schedule.images_seen) as tick:
        adapter.train(adaptation, tick, score)


def _stable_diffusion(request: Options, params: "Params") -> None:
    """Fine-tune Stable Diffusion by the predecessor's recipe: its ControlNet, or an adapter."""
    from busgen.images.stable_diffusion.training import library

    if request.start is None:
        rule = "preset sd15 must begin with a folder of Stable Diffusion 1.5"
        raise UserError(rule, "none", "give --start FOLDER")
    wanted = library.Options(
        request.folder, request.out, request.start, request.adapt, request.rank, request.without
    )
    plan = library.plan(wanted, params.train_images.seed)
    with progress("images", plan.images_seen) as tick:
        library.train(plan, tick)


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
    whole = metrics["together"]
    sentence = f"All gates that reject refuse {whole['refused_test']} of {whole['n_test']}"
    sentence += " clean images of test patients; fewer is better."
    show = partial(screen.print_rows, sentence=sentence)
    screen.print_record(metrics, as_json, lambda record: show(to_rows(record)))
    if not as_json:
        out.print(f"written  {target}", soft_wrap=True)
