"""The commands that measure: `busgen score`, `privacy`, `inspect`, `downstream`.

In: words of the command line. Out: one function called, its outcome printed.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from busgen.cli import screen, tables
from busgen.cli.screen import AsJson, RealOption, RecordFile, Target, out, print_rows, to_words
from busgen.progress import progress

if TYPE_CHECKING:
    from busgen.image_sets.source import Source

ImagesGlob = Annotated[
    str | None, typer.Option("--images", help="Pattern of images, if a folder: 'img/**/*.png'.")
]
MasksGlob = Annotated[str | None, typer.Option("--masks", help="Pattern of its masks.")]
MaskLabel = Annotated[int | None, typer.Option("--label", help="Level of masks; each but 0.")]
AllowUnread = Annotated[
    bool, typer.Option("--allow-unread", help="Leave out masks of no image, files of other kinds.")
]
Frames = Annotated[
    bool, typer.Option("--frames", help="Each frame of files that have several, not the first.")
]


def score(  # noqa: PLR0913 - a command's options are its signature
    a: Annotated[Path, typer.Argument(help="Images: folder, Parquet, dataset on disk, release.")],
    against: Annotated[Path, typer.Option(help="Real images of held-out patients, likewise.")],
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
    most: Annotated[int, typer.Option(help="At most so many images, of the real twice.")] = 1000,
    size_px: Annotated[int, typer.Option("--size", help="Side at which both are seen, px.")] = 256,
    two_sample: Annotated[bool, typer.Option(help="Train a classifier too: minutes.")] = False,
    image: Annotated[str | None, typer.Option(help="Column of images, if not image.")] = None,
    mask: Annotated[str | None, typer.Option(help="Column of masks, if not mask.")] = None,
    images: ImagesGlob = None,
    masks: MasksGlob = None,
    label: MaskLabel = None,
    allow_unread: AllowUnread = False,
    frames: Frames = False,
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Run TorchScript, which can write files.")
    ] = False,
    target: RecordFile = None,
    as_json: AsJson = False,
) -> None:
    """Score any set of images against real ones: distances, diversity, floors."""
    from busgen.evaluation.score_sets import Options, open_sets, score_sets
    from busgen.folders.manifests import write_record
    from busgen.image_sets.source import Reading
    from busgen.metrics.spaces.registry import load_spaces

    reading = Reading(image, mask, images, masks, label, allow_unread, frames)
    columns = tuple(by or ())
    request = Options(columns, group, most, size_px, two_sample=two_sample, reading=reading)
    with write_record(target, "score") as write:
        sets = open_sets((a, against), (a_split, split), request)
        _print_found(sets)
        spaces = load_spaces(space, allow_code=allow_code)
        with progress("images seen", request.count(sets)) as tick:
            record = score_sets(sets, spaces, request, tick)
        write(record)
    screen.print_record(record, as_json, tables.print_comparison)


def privacy(
    images: Annotated[Path, typer.Argument(help="Release, or any images that score takes.")],
    real: RealOption,
    most: Annotated[int, typer.Option(help="At most so many images.")] = 1000,
    target: RecordFile = None,
    as_json: AsJson = False,
) -> None:
    """Compare nearness to training patients with nearness to others; find copies."""
    from busgen.evaluation import compare_real
    from busgen.evaluation.score_sets import Options
    from busgen.folders.manifests import write_record
    from busgen.metrics.spaces.registry import OURS

    request = Options(most=most)
    with write_record(target, "privacy") as write:
        sets = compare_real.open_sets(images, real, request)
        _print_found(sets)
        with progress("images seen", sum(map(len, sets))) as tick:
            reference = compare_real.embed(sets, OURS, request, tick)
        record = compare_real.measure_privacy(reference, request.draws)
        record |= {"copies": compare_real.find_copies(reference)}
        write(record)
    screen.print_record(record, as_json, tables.print_nearness)


def _print_found(sets: Iterable["Source"]) -> None:
    """Say what lies in the folders that sets are read from."""
    for source in sets:
        if source.found is not None:
            to_words(f"{source.path}: {source.found}")


def _show(record: Mapping[str, object]) -> None:
    sentence = f"{record['images']} images will be read, {record['with a lesion']} with a lesion."
    print_rows([{"": name, "found": value} for name, value in record.items()], sentence)


def inspect(  # noqa: PLR0913 - a command's options are its signature
    path: Annotated[
        Path, typer.Argument(help="Images: folder, Parquet, dataset on disk, release.")
    ],
    sheet: Annotated[
        Path | None, typer.Option(help="PNG to write: images, outlines drawn.")
    ] = None,
    images: ImagesGlob = None,
    masks: MasksGlob = None,
    label: MaskLabel = None,
    frames: Frames = False,
    as_json: AsJson = False,
) -> None:
    """Show what will be read of a set: images, masks, pairs, files left out, sizes, levels."""
    from busgen.image_sets.inspect import describe, write_sheet
    from busgen.image_sets.open import open_set
    from busgen.image_sets.source import Reading

    reading = Reading(images=images, masks=masks, label=label, allow_unread=True, frames=frames)
    source = open_set(path, reading)
    with progress("images read", len(source)) as tick:
        record = describe(source, tick)
    if sheet is not None:
        write_sheet(source, sheet)
        to_words(f"written  {sheet}")
    screen.print_record(record, as_json, _show)


def downstream(  # noqa: PLR0913 - a command's options are its signature
    data: Annotated[
        list[str],
        typer.Option(
            help="Synthetic images: release, Parquet, folder. Further ones: --data NAME=DIR."
        ),
    ],
    real: RealOption,
    folder: Target,
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
    workers: Annotated[int | None, typer.Option(help="Trainings at once, a core each; 2.")] = None,
    quick: Annotated[bool, typer.Option(help="One training set, three arms, one seed.")] = False,
    folds: Annotated[
        int | None, typer.Option(help="Folds of BrEaST, 1 for none; 5, with --quick 1.")
    ] = None,
    preset: Annotated[
        str, typer.Option(help="Models: small; pretrained; paper, for a GPU.")
    ] = "small",
    augmentation: Annotated[
        str | None,
        typer.Option(help="How every arm's images are changed: own, ultrasound, trivial."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda[:k].")] = "auto",
    as_json: AsJson = False,
) -> None:
    """Train on real, synthetic and both; compare on real patients that no training saw."""
    from busgen.downstream import library
    from busgen.downstream.data.synthetic_set import parse_sets
    from busgen.downstream.plan import Request, plan as planned
    from busgen.downstream.results.paper import to_sentences
    from busgen.params.downstream import WORKERS

    models = {"classification": classifier, "segmentation": segmenter}
    chosen = (tuple(train or ()), tuple(arm or ()), tuple(task or ()))
    first, others = parse_sets(data)
    request = Request(
        first, real, folder, *chosen, seeds, models, saw, quick,
        WORKERS if workers is None else workers,
        folds=folds, others=others, preset=preset, augmentation=augmentation, device=device,
    )  # fmt: skip
    plan = planned(request)
    with screen.resumable(), progress("trainings", len(plan.jobs)) as tick:
        record, ran = library.run(plan, tick, to_words)
    if as_json:
        out.print_json(json.dumps(record))
        return
    for title, rows in library.to_tables(record):
        out.print(title)
        print_rows(rows)
    for words in to_sentences(record):
        out.print(words, soft_wrap=True)
    out.print(f"trained  {ran} of {len(plan.jobs)}, others kept; written {folder}", soft_wrap=True)
