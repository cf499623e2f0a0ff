"""The commands that make a dataset: `busgen generate` and `busgen run`.

In: words of the command line. Out: one function called, its outcome printed.
"""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from busgen.cli import tables
from busgen.cli.command import complete
from busgen.cli.parts import make_part
from busgen.cli.screen import ParamsFile, out, print_record, resumable, to_words
from busgen.errors import UserError
from busgen.progress import progress

if TYPE_CHECKING:
    from busgen.params.generate import GenerateParams


def _list_engines() -> tuple[str, ...]:
    from busgen.images.engines import ENGINES

    return ENGINES


def _list_mask_engines() -> tuple[str, ...]:
    from busgen.masks.engines import ENGINES

    return ENGINES


def _list_varied() -> tuple[str, ...]:
    from busgen.schema import VARIED

    return VARIED


def _list_gates() -> list[str]:
    from busgen.params.gates import DEFAULT_GATES

    return [*DEFAULT_GATES, "all"]


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
        typer.Option(help="Exact number, e.g. shape.oval=9; crossed by commas; repeatable."),
    ] = None,
    vary: Annotated[
        str | None,
        typer.Option(
            help="Field: each finding with every term of it.", autocompletion=complete(_list_varied)
        ),
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="Image engine.", autocompletion=complete(_list_engines))
    ] = None,
    mask_engine: Annotated[
        str | None, typer.Option(help="Mask engine.", autocompletion=complete(_list_mask_engines))
    ] = None,
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
        str | None, typer.Option(help="Shares of families, e.g. train=.8,test=.2.")
    ] = None,
    gates: Annotated[
        list[str] | None,
        typer.Option(
            help="Gate's action or bound: anomaly=flag, anomaly.max=3, all=off; repeatable.",
            autocompletion=complete(_list_gates),
        ),
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it comes to, make no release.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --dry-run: the whole plan as JSON.")
    ] = False,
) -> None:
    """Write a release: findings, masks, images, gates, Parquet, card."""
    from busgen.factory.library import make_release, with_options
    from busgen.factory.plan import resolve, to_record
    from busgen.factory.preview import preview
    from busgen.params.base import check
    from busgen.params.gates import parse_gates
    from busgen.params.generate import parse_targets
    from busgen.params.load import Params, load_params
    from busgen.params.release import ReleaseParams
    from busgen.priors.request import left_out

    request: dict[str, object] = {
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
    own = load_params(params) if params else Params()
    request["gates"] = parse_gates(gates, own.generate.gates) if gates else None
    base = with_options(own, request, "the command")
    if split:
        release = check(ReleaseParams, vars(base.release) | {"splits": _splits(split)}, "--split")
        base = base.model_copy(update={"release": release})
    if remark := left_out(base.generate.text):
        to_words(remark)
    if as_json and not dry_run:
        raise UserError(
            "--json must come with --dry-run", "--json alone", "add it, or leave it out"
        )
    if dry_run:
        plan = resolve(base.generate)
        found = preview(plan) | {"out": str(folder or work)}
        show = partial(_show_preview, plan.request)
        print_record(to_record(plan) | found if as_json else found, as_json, show)
        return
    if folder is None:
        make_part(base, str(shard), str(work))
        return
    with resumable(), progress("judged findings", base.generate.n) as tick:
        make_release(base, folder, tick, to_words)
    tables.print_summary(folder)


def _show_preview(request: "GenerateParams", found: Mapping[str, Any]) -> None:
    """Print what a plan comes to."""
    actions = Counter(gate.action for gate in request.gates.values())
    lines = [("understood", "; ".join(found["understood"]) or "no condition")]
    if request.targets:
        shares = (f"{name} {share}" for name, share in request.targets.items())
        lines.append(("targets", "; ".join(shares).replace("'", "")))
    several = f", each with every {request.vary}" if request.vary else ""
    lines += [
        ("findings", f"{request.n}{several}; seed {request.seed}, {request.size_px} px"),
        ("engines", f"images {request.engine}, masks {request.mask_engine}"),
        ("gates", ", ".join(f"{n} {action}" for action, n in actions.most_common())),
    ]
    for name, shapes in found["strata"].items():
        told = ", ".join(f"{n} {shape}" for shape, n in shapes.items())
        lines.append((name, f"{sum(shapes.values())} of {found['counted']}: {told}"))
    tried = f"{found['tried']} findings took {found['tried_seconds']:.1f} s here"
    lines += [
        ("time", f"about {_to_duration(found['seconds'])}, more for what gates reject; {tried}"),
        ("size", f"about {found['bytes'] / 1e6:.3g} MB"),
        ("dataset", found["out"]),
    ]
    for name, text in lines:
        out.print(f"{name:10} {escape(text)}", soft_wrap=True)
    out.print("No release was made: the same command without --dry-run makes it.")


def _to_duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


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
    tables.print_outcome(root / pipeline.RELEASE, limits, root / pipeline.REPORT)
