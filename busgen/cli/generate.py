"""The commands that make a dataset: `busgen generate`, `busgen merge` and `busgen run`.

In: words of the command line. Out: one function called, its outcome printed.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from busgen.cli import screen
from busgen.cli.screen import ParamsFile, out, resumable, to_words
from busgen.errors import UserError
from busgen.progress import progress

if TYPE_CHECKING:
    from busgen.params.load import Params


def generate(  # noqa: PLR0913 - a command's options are its signature
    folder: Annotated[Path | None, typer.Option("--out", help="Release folder to write.")] = None,
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
    count: Annotated[
        list[str] | None,
        typer.Option(help="Exact number, e.g. pathology.malignant=100, or a.b,c.d=40; repeatable."),
    ] = None,
    vary: Annotated[
        str | None, typer.Option(help="Field: each finding with every term of it, e.g. posterior.")
    ] = None,
    engine: Annotated[str | None, typer.Option(help="Image engine.")] = None,
    mask_engine: Annotated[str | None, typer.Option(help="Mask engine.")] = None,
    seed: Annotated[int | None, typer.Option(help="Root seed.")] = None,
    size_px: Annotated[int | None, typer.Option("--size", help="Side of the images, px.")] = None,
    max_attempts: Annotated[
        int | None, typer.Option(help="Attempts a finding; easy ones leave theirs to hard ones.")
    ] = None,
    max_unfilled: Annotated[
        float | None, typer.Option(help="Share of findings that may stay unfilled, one at least.")
    ] = None,
    allow_unfilled: Annotated[
        bool, typer.Option("--allow-unfilled", help="Write what there is, the rest listed.")
    ] = False,
    split: Annotated[
        str | None, typer.Option(help="Shares of families, train=.8,validation=.1,test=.1.")
    ] = None,
    shard_size: Annotated[int | None, typer.Option(help="Findings a shard.")] = None,
    shard: Annotated[
        str | None, typer.Option(help="Make this part of the run only, 0/64 to 63/64.")
    ] = None,
    work: Annotated[
        str | None,
        typer.Option(help="Folder or URL where parts of a run meet."),
    ] = None,
    params: ParamsFile = None,
    dry_run: Annotated[bool, typer.Option(help="Print the resolved plan, make nothing.")] = False,
) -> None:
    """Write a release: findings, masks, images, gates, Parquet, card."""
    from busgen.factory.library import make_release, with_options
    from busgen.factory.plan import resolve, to_record
    from busgen.params.base import check
    from busgen.params.generate import parse_targets
    from busgen.params.load import Params, load_params
    from busgen.params.release import ReleaseParams
    from busgen.priors.request import left_out

    request = {
        "n": n,
        "where": tuple(where) if where else None,
        "text": text,
        "targets": parse_targets(target) if target else None,
        "counts": _counts(count) if count else None,
        "vary": vary,
        "engine": engine,
        "mask_engine": mask_engine,
        "seed": seed,
        "size_px": size_px,
        "max_attempts": max_attempts,
        "max_unfilled": 1.0 if allow_unfilled else max_unfilled,
        "shard_size": shard_size,
    }
    if (shard is None) != (work is None) or (work is None) == (folder is None):
        given = {"--out": folder, "--shard": shard, "--work": work}
        got = ", ".join(name for name, value in given.items() if value is not None) or "none"
        rule = "a run needs --out, a part of one --shard and --work"
        raise UserError(rule, got, "e.g. --out DIR, or --shard 0/64 --work DIR")
    base = with_options(load_params(params) if params else Params(), request, "the command")
    if split:
        release = check(ReleaseParams, vars(base.release) | {"splits": _splits(split)}, "--split")
        base = base.model_copy(update={"release": release})
    if remark := left_out(base.generate.text):
        to_words(remark)
    if dry_run:
        plan = to_record(resolve(base.generate))
        out.print_json(json.dumps(plan | {"out": str(folder or work)}))
        return
    if folder is None:
        _make_part(base, str(shard), str(work))
        return
    with resumable(), progress("judged findings", base.generate.n) as tick:
        make_release(base, folder, tick, to_words)
    screen.print_summary(folder)


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


def _make_part(params: "Params", shard: str, work: str) -> None:
    """Make a part of a run and print how far it is."""
    from busgen.factory.distributed import make_part, parse_part

    part = parse_part(shard)
    with resumable(), progress("judged findings", params.generate.n // part.parts) as tick:
        done = make_part(params, part, work, tick)
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
    screen.print_summary(folder)


def _splits(words: str) -> dict[str, float]:
    """Return shares by split from ``train=.8,test=.2``."""
    pairs = [word.partition("=") for word in words.split(",")]
    try:
        return {name.strip(): float(share) for name, _, share in pairs}
    except ValueError:
        rule = "--split must be split=share, joined by commas"
        raise UserError(rule, repr(words), "e.g. train=.8,validation=.1,test=.1") from None


def _counts(words: list[str]) -> dict[str, int]:
    """Return counts by stratum from words such as ``pathology.malignant=100``."""
    counts: dict[str, int] = {}
    for word in words:
        key, _, number = word.rpartition("=")
        if not key or not number.isdecimal():
            rule = "a count must be field.term=number"
            raise UserError(rule, repr(word), "e.g. --count pathology.malignant=100")
        counts[key] = int(number)
    return counts


def run(
    everything: Annotated[
        bool, typer.Option("--all", help="Also the stages that read real data.")
    ] = False,
) -> None:
    """Run the DVC pipeline of params.yaml in a checkout, with at most one Prefect server."""
    from busgen import pipeline
    from busgen.factory.plan import resolve
    from busgen.folders.manifests import hold_lock
    from busgen.io import read_json
    from busgen.params.load import load_params
    from busgen.priors.request import left_out

    root = pipeline.enter_checkout()
    params = load_params()  # DVC sees known keys alone
    if everything:
        if not params.real.datasets:
            rule = "`--all` needs a real dataset in params.yaml, real.datasets"
            remedy = "e.g. {breast: data/raw/BrEaST}; without one, `busgen run`"
            raise UserError(rule, "none", remedy)
    else:
        resolve(params.generate)  # what cannot be made is refused before a server starts
        if remark := left_out(params.generate.text):
            to_words(remark)
    with hold_lock(Path("data/work/run"), to_words):
        to_words("looking for what has changed; a default run takes some minutes of two cores")
        changed = pipeline.reproduce(to_words, everything=everything)
    if not changed:
        to_words("nothing has changed since the last run")
    limits = read_json(pipeline.SCORES)["limits"]
    screen.print_outcome(root / pipeline.RELEASE, limits, root / pipeline.REPORT)
