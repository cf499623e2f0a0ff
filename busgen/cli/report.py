"""The commands `busgen report` and `busgen browse`: what a release is, and what it looks like.

In: words of the command line. Out: one function called, its outcome printed.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from busgen.cli.screen import Target, out, to_words
from busgen.progress import progress


def report(  # noqa: PLR0913 - a command's options are its signature
    release: Annotated[Path, typer.Argument(help="Release folder.")],
    folder: Target,
    quality: Annotated[
        Path | None, typer.Option(help="Its scores.json's folder; else scored anew into --out.")
    ] = None,
    candidates: Annotated[
        Path | None, typer.Option(help="What it was chosen from, for rejected images.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Real statistics, not those that ship.")
    ] = None,
    judges: Annotated[
        Path | None, typer.Option(help="Judges' folder, for how well they judge; those that ship.")
    ] = None,
    previous: Annotated[
        Path | None, typer.Option(help="Folder with release/ and quality/ to compare with.")
    ] = None,
    downstream: Annotated[
        Path | None, typer.Option(help="What `busgen downstream` wrote of such images.")
    ] = None,
    with_real: Annotated[
        Path | None,
        typer.Option(help="What `busgen real ... --out` wrote: a page with patients' images."),
    ] = None,
    gallery: Annotated[int, typer.Option(min=1, max=10, help="Images of each kind.")] = 4,
    pdf: Annotated[bool, typer.Option("--pdf", help="Print it to report.pdf, too.")] = False,
) -> None:
    """Write the report of a release: verdict, evidence, galleries; on demand as PDF."""
    from busgen.evaluation.reference import REFERENCE
    from busgen.folders import write_folder
    from busgen.release.files import require_release
    from busgen.report.evidence import Sources, find_previous, load_shipped
    from busgen.report.page import find_chromium, print_pdf
    from busgen.report.report import PAGE, REPORT, save_report
    from busgen.report.with_real import count, require_private, write_with_real

    require_release(release)
    if pdf:
        find_chromium()  # refused before anything is made, as is the real data
    if with_real:
        require_private(folder)
    patients = count(with_real) if with_real else 0
    real = reference or REFERENCE
    with write_folder(folder, REPORT) as partial:
        scored = _quality(release, quality, real, (folder, partial))
        known, checks = load_shipped(release)
        others = (judges or known, checks, find_previous(previous), downstream)
        save_report(Sources(release, candidates, scored, real, *others), partial, gallery)
        if pdf:
            print_pdf(partial / PAGE, partial / "report.pdf")
        if with_real:
            with progress("patients' images read", patients) as tick:
                page = write_with_real(release, with_real, partial, tick, folder).name
    out.print(f"report   {folder / PAGE}", soft_wrap=True)
    if pdf:
        out.print(f"pdf      {folder / 'report.pdf'}", soft_wrap=True)
    if with_real:
        out.print(f"real     {folder / page}", soft_wrap=True)
        to_words("it holds images of patients: never publish it, never pass it on")


def _quality(
    release: Path, given: Path | None, reference: Path, folders: tuple[Path, Path]
) -> Path:
    """Return the folder of a release's scores: `given`, else they are measured anew.

    `folders` are the report's, as it stands and as it is written: scores that lie in the former
    come along.
    """
    from busgen.evaluation.stage import measure, save
    from busgen.folders import copy_folder
    from busgen.params.quality import QualityParams

    standing, written = (folder / "quality" for folder in folders)
    if given and given.resolve() != standing.resolve():
        return given
    if given and given.is_dir():
        copy_folder(given, written)
    else:
        to_words("scoring the release, which takes a minute or two")
        save(measure(release, QualityParams(reference=reference)), release, written)
    return written


def browse(
    release: Annotated[Path, typer.Argument(help="Release folder.")],
    page: Annotated[
        Path | None, typer.Option("--out", help="HTML file to write. Default: beside the release.")
    ] = None,
    n: Annotated[int, typer.Option(min=1, help="Images at most.")] = 120,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open it in the browser.")] = True,
) -> None:
    """Write a gallery of a release, to filter and enlarge, and open it; nothing is served."""
    import webbrowser

    from busgen.report.browse import write_gallery

    target = (page or release.resolve().with_name(f"{release.resolve().name}.html")).resolve()
    count = write_gallery(release, target, n)
    out.print(f"gallery  {escape(str(target))}, {count} images", soft_wrap=True)
    if show and not webbrowser.open(target.as_uri()):
        to_words("no browser was found: open the file yourself")
