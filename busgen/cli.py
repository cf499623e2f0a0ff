"""The command `busgen`: each subcommand checks its words, calls one function, prints the outcome.

Heavy parts are imported inside the commands that use them, so that `busgen --help` is instant.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from busgen import NOT_FOR_CLINICAL_USE, __version__, cli_readers
from busgen.errors import BusgenError, UserError
from busgen.screen import (
    err,
    out,
    print_cleaning,
    print_compared,
    print_rows,
    print_scores,
    print_summary,
    print_versions,
    progress,
    resumable,
    say,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help=f"Make, check and compare synthetic breast-ultrasound datasets. {NOT_FOR_CLINICAL_USE}.",
)
app.add_typer(cli_readers.app, name="readers")
if TYPE_CHECKING:
    from busgen.params import Params

Folder = Annotated[Path, typer.Argument(help="Release folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command line; a user's mistake is one message and exit code 2."""
    try:
        app()
    except UserError as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(2)
    except BusgenError as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print it.")] = False) -> None:
    """Print the version."""
    if show:
        out.print(f"busgen {__version__}")
        raise typer.Exit


@app.command()
def generate(  # noqa: PLR0913 - a command's options are its signature
    folder: Annotated[Path, typer.Option("--out", help="Release folder to write.")],
    n: Annotated[int | None, typer.Option(help="Number of findings.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--set", help="Condition, e.g. pathology=malignant; repeatable."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="A description in words.")] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="Marginal, e.g. margin.spiculated=0.3, or size_matched; repeatable."),
    ] = None,
    vary: Annotated[
        str | None,
        typer.Option(help="Field: each finding with every term of it, e.g. posterior."),
    ] = None,
    engine: Annotated[str | None, typer.Option(help="Image engine.")] = None,
    mask_engine: Annotated[str | None, typer.Option(help="Mask engine.")] = None,
    seed: Annotated[int | None, typer.Option(help="Root seed.")] = None,
    size_px: Annotated[int | None, typer.Option("--size", help="Side of the images, px.")] = None,
    params: Annotated[Path | None, typer.Option(help="Parameters, as params.yaml.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Print the resolved plan, make nothing.")] = False,
) -> None:
    """Write a release: findings, masks, images, gates, Parquet, card."""
    from busgen.factory.library import produce, with_generate
    from busgen.factory.plan import resolve, to_record
    from busgen.params import Params, load_params, parse_targets

    asked = {
        "n": n,
        "where": tuple(where) if where else None,
        "text": text,
        "targets": parse_targets(target) if target else None,
        "vary": vary,
        "engine": engine,
        "mask_engine": mask_engine,
        "seed": seed,
        "size_px": size_px,
    }
    base = with_generate(load_params(params) if params else Params(), asked, "the command")
    if dry_run:
        plan = to_record(resolve(base.generate))
        out.print_json(json.dumps(plan | {"out": str(folder)}))
        return
    with resumable(), progress("judged findings", base.generate.n) as tick:
        produce(base, folder, tick, say)
    print_summary(folder)


@app.command()
def run(
    everything: Annotated[
        bool, typer.Option("--all", help="Also the stages that read real data.")
    ] = False,
) -> None:
    """Run the DVC pipeline of params.yaml in a checkout, with at most one Prefect server."""
    from busgen import pipeline
    from busgen.factory.plan import resolve
    from busgen.factory.work import locked
    from busgen.params import load_params

    root = pipeline.enter_checkout()
    params = load_params()  # DVC looks at known keys alone
    if everything:
        require_real_data(params)
    else:
        resolve(params.generate)  # what cannot be made is refused before a server starts
    with locked(Path("data/work/run"), say):
        changed = pipeline.reproduce(everything=everything)
    if not changed:
        say("nothing has changed since the last run")
    print_summary(root / pipeline.RELEASE)
    print_scores(pipeline.headline())
    out.print(f"report   {root / pipeline.REPORT}", soft_wrap=True)


@app.command()
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

    from busgen.real.prepare import images, parse_datasets, prepare

    named = parse_datasets(datasets)
    with (
        tempfile.TemporaryDirectory() as scratch,
        progress("images read", images(named)) as tick,
    ):
        told = prepare(named, folder or Path(scratch), tick)
    if as_json:
        out.print_json(json.dumps(told))
        return
    print_cleaning(told)
    if folder:
        out.print(f"written  {folder}", soft_wrap=True)


@app.command()
def train(  # noqa: PLR0913 - a command's options are its signature
    which: Annotated[str, typer.Argument(help="What to train: masks, images or judges.")],
    folder: Annotated[Path, typer.Argument(help="What `busgen real ... --out` wrote.")],
    target: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    params: Annotated[Path | None, typer.Option(help="Parameters, as params.yaml.")] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="images: small, base (GPU), sd15; rehearsal: some steps, no result."),
    ] = None,
    start: Annotated[Path | None, typer.Option(help="Generator to begin with.")] = None,
    adapt: Annotated[str | None, typer.Option(help="Data set to fit an adapter to.")] = None,
    rank: Annotated[int | None, typer.Option(help="Rank of the adapter: 2, 4 or 8.")] = None,
) -> None:
    """Train models on the training patients of real data; scores and cards beside the weights."""
    from busgen.params import Params, load_params
    from busgen.train import Asked
    from busgen.train import train as learn

    asked = Asked(which, folder, target, preset, start, adapt, rank)
    with resumable():
        learn(asked, load_params(params) if params else Params(), progress)
    out.print(f"written  {target}", soft_wrap=True)


@app.command()
def calibrate(
    folder: Annotated[Path, typer.Argument(help="What `busgen real ... --out` wrote.")],
    target: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    judges: Annotated[Path | None, typer.Option(help="Judges' folder, not what ships.")] = None,
    as_json: AsJson = False,
) -> None:
    """Calibrate the gates on held-out real patients; write the bounds with their evidence."""
    from busgen.quality.calibrate import to_rows
    from busgen.quality.judges.judges import load_judges
    from busgen.quality.reference import calibrate as write_calibration

    told = write_calibration(folder, target, load_judges(judges))
    if as_json:
        out.print_json(json.dumps(told))
        return
    print_rows(to_rows(told))
    out.print(f"written  {target}", soft_wrap=True)


@app.command()
def verify(folder: Folder) -> None:
    """Check a release bit by bit: sums, pictures, index, contract."""
    from busgen.release.verify import verify as check_release

    problems = check_release(folder)
    for problem in problems:
        out.print(f"[red]wrong[/]  {escape(str(problem))}", soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    out.print(f"[green]sound[/]  {escape(str(folder))}", soft_wrap=True)


@app.command()
def show(
    sample_id: Annotated[str, typer.Argument(help="Sample to show.")],
    folder: Annotated[Path, typer.Option("--in", help="Release folder.")] = Path("data/release"),
    again: Annotated[bool, typer.Option(help="Render it anew and compare.")] = False,
) -> None:
    """Print one sample's whole history: finding, attempts, scores, verdicts."""
    from busgen.release import show as shown

    out.print_json(json.dumps(shown.history(folder, sample_id), default=str))
    if again:
        found = shown.again(folder, sample_id)
        out.print_json(json.dumps(found, default=str))
        if not (found["same_image"] and found["same_mask"]):
            raise typer.Exit(1)


@app.command()
def diff(
    a: Annotated[str, typer.Argument(help="Release folder or tag.")],
    b: Annotated[str, typer.Argument(help="Release folder or tag.")],
    as_json: AsJson = False,
) -> None:
    """Compare two releases: what got better or worse, distributions, gates, counts, provenance."""
    from busgen.downstream import changes
    from busgen.release import diff as compared
    from busgen.versions import release_of, scores_of

    with release_of(a) as first, release_of(b) as second:
        found = compared.diff(first, second)
        told = changes.changes(scores_of(a), scores_of(b))
    if as_json:
        out.print_json(json.dumps(found | {"changes": told}, default=str))
        return
    from rich.markdown import Markdown

    print_rows(changes.to_rows(told))
    say(changes.ABOUT if told else changes.NOTHING)
    out.print(Markdown(compared.to_markdown(found)))


@app.command()
def score(  # noqa: PLR0913 - a command's options are its signature
    a: Annotated[Path, typer.Argument(help="Pictures: folder, Parquet, dataset on disk, release.")],
    against: Annotated[Path, typer.Option(help="Real pictures of held-out patients, likewise.")],
    space: Annotated[
        list[str] | None,
        typer.Option(help="us64, radiomic or a TorchScript file; repeatable; the first two."),
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option(help="Column whose values are strata; repeatable.")
    ] = None,
    group: Annotated[str | None, typer.Option(help="Column of patients; else each alone.")] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(help="Splits of the real ones; of canonical data validation and test."),
    ] = None,
    a_split: Annotated[list[str] | None, typer.Option(help="Splits of the others; all.")] = None,
    most: Annotated[int, typer.Option(help="At most so many pictures, of the real twice.")] = 1000,
    size_px: Annotated[int, typer.Option("--size", help="Side at which both are seen, px.")] = 256,
    two_sample: Annotated[bool, typer.Option(help="Train a classifier too: minutes.")] = False,
    target: Annotated[Path | None, typer.Option("--out", help="JSON file to write.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score any set of pictures against real ones: distances, diversity, floors."""
    from busgen.io import dumps, write_text
    from busgen.quality.scoring import score_sets
    from busgen.quality.sets.asked import Asked, open_sets
    from busgen.quality.spaces import spaces_of

    asked = Asked(tuple(by or ()), group, most, size_px, two_sample=two_sample)
    sets = open_sets((a, against), (a_split, split), asked)
    spaces = spaces_of(space)
    with progress("pictures seen", asked.looks(sets)) as tick:
        record = score_sets(sets, spaces, asked, tick)
    if target:
        write_text(target, dumps(record))
    if as_json:
        out.print_json(json.dumps(record))
        return
    print_compared(record)


@app.command()
def downstream(  # noqa: PLR0913 - a command's options are its signature
    data: Annotated[
        list[str],
        typer.Option(
            help="Synthetic pictures: release, Parquet, folder. Further ones: --data NAME=DIR."
        ),
    ],
    real: Annotated[Path, typer.Option(help="What `busgen real ... --out` wrote.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    train: Annotated[
        list[str] | None, typer.Option(help="Real dataset to train on; repeatable; all.")
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(
            help="Arm or group, e.g. real_synthetic_2, real_augmented@10, synthetic:NAME, core, "
            "ratios, low_data, engines, rare, controls; repeatable; core."
        ),
    ] = None,
    task: Annotated[
        list[str] | None, typer.Option(help="classification, segmentation; repeatable; both.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Trainings of each arm; 3.")] = None,
    classifier: Annotated[
        str | None, typer.Option(help="Your model, package.module:function.")
    ] = None,
    segmenter: Annotated[str | None, typer.Option(help="Likewise.")] = None,
    saw: Annotated[
        str | None,
        typer.Option("--generator-saw", help="Whose patients: none, own, pooled, unknown."),
    ] = None,
    workers: Annotated[int, typer.Option(help="Trainings at once, a core each.")] = 2,
    quick: Annotated[bool, typer.Option(help="One training set, three arms, one seed.")] = False,
    folds: Annotated[
        int | None, typer.Option(help="Folds of BrEaST, 1 for none; 5, with --quick 1.")
    ] = None,
    preset: Annotated[str, typer.Option(help="Models: small; paper, for a GPU.")] = "small",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda[:k].")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Train on real, synthetic and both; compare on real patients that no training saw."""
    from busgen.downstream import library
    from busgen.downstream.made import named
    from busgen.downstream.plan import Asked
    from busgen.downstream.plan import plan as planned

    models = {"classification": classifier, "segmentation": segmenter}
    chosen = (tuple(train or ()), tuple(arm or ()), tuple(task or ()))
    first, others = named(data)
    asked = Asked(
        first, real, folder, *chosen, seeds, models, saw, quick, workers,
        folds=folds, others=others, preset=preset, device=device,
    )  # fmt: skip
    plan = planned(asked)
    with resumable(), progress("trainings", len(plan.jobs)) as tick:
        record, ran = library.carry_out(plan, tick, say)
    if as_json:
        out.print_json(json.dumps(record))
        return
    for title, rows in library.tables(record):
        out.print(title)
        print_rows(rows)
    for words in library.primaries(record):
        out.print(f"primary  {words}", soft_wrap=True)
    out.print(f"trained  {ran} of {len(plan.jobs)}, the others were kept", soft_wrap=True)
    out.print(f"written  {folder}", soft_wrap=True)


@app.command()
def export(
    folder: Folder,
    target: Annotated[Path, typer.Option("--out", help="Folder to write.")],
    form: Annotated[str, typer.Option("--as", help="folder, coco or nnunet.")] = "folder",
) -> None:
    """Write a release in the form that segmentation and detection tools open."""
    from busgen.release.export import export as write

    write(folder, target, form)
    out.print(f"written  {target}", soft_wrap=True)


@app.command()
def tag(name: Annotated[str, typer.Argument(help="Name of the version.")]) -> None:
    """Record the pipeline's dataset as a version: git tag and DVC."""
    from busgen import pipeline
    from busgen import versions as recorded

    pipeline.enter_checkout()
    commit = recorded.tag(name)
    out.print(f"tagged   {name} at {commit}; share it with `dvc push` and `git push --tags`")


@app.command()
def versions(as_json: AsJson = False) -> None:
    """List the tagged dataset versions: generators, utility, quality, cost in seconds."""
    from busgen import pipeline
    from busgen import versions as recorded

    pipeline.enter_checkout()
    found = recorded.versions()
    if as_json:
        out.print_json(json.dumps(found))
    elif found:
        print_versions(found)
    else:
        say("no dataset version yet: `busgen tag NAME` records one")


@app.command()
def bench(
    name: Annotated[
        str,
        typer.Argument(help="masks, phantom, factory, index, real, images, quality or downstream."),
    ],
    as_json: AsJson = False,
    quick: Annotated[bool, typer.Option(help="Few samples: a rehearsal, no result.")] = False,
) -> None:
    """Measure the promised figures and say which bars hold."""
    from busgen.bench import harness

    record = harness.run(name, quick=quick)
    if as_json:
        sys.stdout.write(harness.to_line(record) + "\n")
        return
    print_rows(harness.to_rows(record))


def require_real_data(params: "Params") -> None:
    """Raise `UserError` if the parameters name no real dataset."""
    if not params.real.datasets:
        raise UserError(
            "`--all` needs a real dataset in params.yaml, real.datasets",
            "none",
            "e.g. {breast: data/raw/BrEaST}; without one, `busgen run`",
        )


if __name__ == "__main__":
    main()
