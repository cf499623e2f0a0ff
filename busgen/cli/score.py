"""The commands that measure: `busgen score`, `privacy`, `downstream`, `busgen bench`.

In: words of the command line. Out: one function called, its outcome printed.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from busgen.cli.screen import (
    AsJson,
    out,
    print_compared,
    print_nearness,
    print_rows,
    progress,
    resumable,
    say,
)
from busgen.errors import UserError


def score(  # noqa: PLR0913 - a command's options are its signature
    a: Annotated[Path, typer.Argument(help="Pictures: folder, Parquet, dataset on disk, release.")],
    against: Annotated[Path, typer.Option(help="Real pictures of held-out patients, likewise.")],
    space: Annotated[
        list[str] | None,
        typer.Option(help="us64, radiomic, TorchScript, transformers folder; repeatable."),
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
    image: Annotated[str | None, typer.Option(help="Column of pictures, if not image.")] = None,
    mask: Annotated[str | None, typer.Option(help="Column of masks, if not mask.")] = None,
    target: Annotated[Path | None, typer.Option("--out", help="JSON file to write.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score any set of pictures against real ones: distances, diversity, floors."""
    from busgen.evaluation.score_options import Asked, open_sets
    from busgen.evaluation.score_sets import score_sets
    from busgen.folders import written_record
    from busgen.image_sets.parquet import Named
    from busgen.metrics.spaces.registry import spaces_of

    named = Named(image, mask)
    asked = Asked(tuple(by or ()), group, most, size_px, two_sample=two_sample, named=named)
    with written_record(target, "score") as write:
        sets = open_sets((a, against), (a_split, split), asked)
        spaces = spaces_of(space)
        with progress("pictures seen", asked.looks(sets)) as tick:
            record = score_sets(sets, spaces, asked, tick)
        write(record)
    if as_json:
        out.print_json(json.dumps(record))
        return
    print_compared(record)


def privacy(
    pictures: Annotated[Path, typer.Argument(help="Release, or any pictures that score takes.")],
    real: Annotated[Path, typer.Option(help="What `busgen real ... --out` wrote.")],
    most: Annotated[int, typer.Option(help="At most so many pictures.")] = 1000,
    target: Annotated[Path | None, typer.Option("--out", help="JSON file to write.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare nearness to training patients with nearness to others; find copies."""
    from busgen.evaluation import compare_real
    from busgen.evaluation.score_options import Asked
    from busgen.folders import written_record
    from busgen.metrics.spaces.registry import OURS

    asked = Asked(most=most)
    with written_record(target, "privacy") as write:
        sets = compare_real.open_beside(pictures, real, asked)
        with progress("pictures seen", sets.looks(asked)) as tick:
            beside = compare_real.look(sets, OURS, asked, tick)
        record = compare_real.nearness(beside, asked.draws)
        record |= {"copies": compare_real.copies(beside)}
        write(record)
    if as_json:
        out.print_json(json.dumps(record))
        return
    print_nearness(record)


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
    from busgen.downstream.data.synthetic_set import named
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


def bench(
    name: Annotated[
        str | None,
        typer.Argument(help="masks, phantom, factory, index, real, images, quality or downstream."),
    ] = None,
    as_json: AsJson = False,
    quick: Annotated[bool, typer.Option(help="Few samples: a rehearsal, no result.")] = False,
    write: Annotated[
        bool | None,
        typer.Option("--write/--check", help="Write docs/results from JSON, or compare."),
    ] = None,
    note: Annotated[
        str | None, typer.Option(help="With NAME --write: under which circumstances.")
    ] = None,
) -> None:
    """Measure the promised figures and say which bars hold; write the pages of results."""
    from busgen.bench import harness

    if name is None or write is not None:
        bench_pages(name, write, note, quick=quick)
        return
    record = harness.run(name, quick=quick)
    if as_json:
        sys.stdout.write(harness.to_line(record) + "\n")
        return
    print_rows(harness.to_rows(record))


def bench_pages(name: str | None, write: bool | None, note: str | None, *, quick: bool) -> None:
    """Write or compare the pages of results; with a name, measure it first and keep its record."""
    from busgen.bench import harness, results
    from busgen.cli.generated import check_pages, write_pages
    from busgen.pipeline import enter_checkout

    if write is None:
        raise UserError("a benchmark must be named", "none", f"one of {', '.join(harness.NAMES)}")
    if name is not None and (quick or not write):
        rule = "a record that is kept must be a whole measurement"
        raise UserError(rule, "--quick or --check", "leave it out")
    checkout = enter_checkout()
    if name is not None:
        results.keep_record(checkout, harness.run(name) | ({"note": note} if note else {}))
    pages = results.result_pages(checkout)
    if write:
        write_pages(checkout, pages)
    else:
        check_pages(checkout, pages, "run `busgen bench --write`")
