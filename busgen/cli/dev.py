"""The command `busgen list`, and `busgen dev ...` for whoever works on the code, in a checkout.

What can be asked for is listed from the tables that the code itself reads.
"""

from dataclasses import asdict
from enum import StrEnum
from importlib import import_module
from typing import Annotated, Any

import typer

from busgen.cli.screen import AsJson, RealFolder, Target, out, print_record, print_rows, write_pages

app = typer.Typer(no_args_is_help=True, help="For whoever works on the code, in a checkout.")


class _Asset(StrEnum):
    """What can be fitted that ships in `busgen/assets` and is neither engine nor judge."""

    GATES = "gates"
    HOSPITALS = "hospitals"
    LITE1 = "lite1"
    OVERLAYS = "overlays"
    US64 = "us64"


FITTING = {  # module of fit_NAME(real data, folder to write)
    _Asset.GATES: "gates.calibration.fit",
    _Asset.HOSPITALS: "evaluation.held_out_features",
    _Asset.LITE1: "metrics.spaces.lite1",
    _Asset.OVERLAYS: "real.overlay_fitting",
    _Asset.US64: "metrics.spaces.us64.training",
}


@app.command()
def deps(
    write: Annotated[bool, typer.Option("--write/--check", help="Write the file, or compare.")],
) -> None:
    """Let flows/code.yaml hold the hash of the code that each stage of dvc.yaml imports."""
    from busgen import pipeline
    from busgen.errors import UserError

    checkout = pipeline.enter_checkout()
    if write:
        pipeline.write_hashes(checkout)
    elif (checkout / pipeline.CODE).read_text() != pipeline.hash_code(checkout):
        rule = f"{pipeline.CODE} must hold the hashes of today's code"
        raise UserError(rule, "others", "run `busgen dev deps --write`")


@app.command()
def fit(
    what: Annotated[_Asset, typer.Argument(help="Folder of busgen/assets.")],
    folder: RealFolder,
    target: Target,
) -> None:
    """Fit or measure what ships in busgen/assets; some minutes of one core."""
    from busgen.folders import write_folder

    fit = getattr(import_module(f"busgen.{FITTING[what]}"), f"fit_{what}")
    with write_folder(target, f"fitted {what}") as partial:
        fit(folder, partial)
    out.print(f"written  {target}", soft_wrap=True)


@app.command()
def docs(
    write: Annotated[bool, typer.Option("--write/--check", help="Write the pages, or compare.")],
) -> None:
    """Let docs/reference say what the code says: commands, parameters, columns, modules."""
    from busgen.cli.reference import reference_pages
    from busgen.pipeline import enter_checkout

    checkout = enter_checkout()
    write_pages(checkout, reference_pages(checkout), "busgen dev docs", write=write)


class Kind(StrEnum):
    """What `busgen list` knows."""

    SCANNERS = "scanners"
    TERMS = "terms"
    ENGINES = "engines"
    DATASETS = "datasets"
    GATES = "gates"


def list_known(
    kind: Annotated[Kind, typer.Argument(help="What to list.")], as_json: AsJson = False
) -> None:
    """List what can be asked for: scanners, terms, engines, real datasets, gates."""
    print_record(_rows(kind), as_json, _show)


def _show(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row |= {k: ", ".join(value) for k, value in row.items() if isinstance(value, list)}
        row |= {k: "-" for k, value in row.items() if value is None}
    print_rows(rows)


def _rows(kind: Kind) -> list[dict[str, Any]]:
    match kind:
        case Kind.SCANNERS:  # as `--set scanner=` takes them
            from busgen.images.diffusion import scanners as devices
            from busgen.images.phantom import beams as styles

            engines = {"diffusion": devices.STYLES, "phantom": tuple(styles.STYLES)}
            return [{"scanner": s, "engine": name} for name, own in engines.items() for s in own]
        case Kind.TERMS:  # as `--set FIELD=TERM` takes them
            from busgen.priors.text.lexicon import TERMS

            return [{"field": name, "terms": list(terms)} for name, terms in TERMS.items()]
        case Kind.ENGINES:
            from busgen.images import engines as images
            from busgen.masks import engines as masks

            options = {"--engine": [*images.ENGINES], "--mask-engine": [*masks.ENGINES]}
            return [{"engine": e, "option": name} for name, known in options.items() for e in known]
        case Kind.DATASETS:  # that `busgen real` reads
            from busgen.real.readers.registry import DATASETS

            return [asdict(info) for info in DATASETS.values()]
        case Kind.GATES:  # as `generate.gates` of params.yaml changes them
            from busgen.params.gates import DEFAULT_GATES
            from busgen.schema import BY_NAME

            return [
                {"gate": n, **gate.model_dump(), "unit": BY_NAME[n].unit, "of": BY_NAME[n].about}
                for n, gate in DEFAULT_GATES.items()
            ]
