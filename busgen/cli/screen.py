"""What the command line shows: remarks, progress, tables, summaries.

In: records. Out: words on the screen; remarks and progress on the error stream.
"""

import json
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table

from busgen import NOT_FOR_CLINICAL_USE
from busgen.errors import UserError, to_printable

COSTLY = ("generate", "quality", "downstream")  # stages whose seconds stand by a version


class _Screen(Console):
    """A console that shows the escapes in a text, and obeys its own alone."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        for one in super().render(renderable, options):
            yield one if one.control else one._replace(text=to_printable(one.text))


out = _Screen()
err = _Screen(stderr=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Target = Annotated[Path, typer.Option("--out", help="Folder to write.")]
RealFolder = Annotated[Path, typer.Argument(help="What `busgen real ... --out` wrote.")]
RealOption = Annotated[Path, typer.Option("--real", help="What `busgen real ... --out` wrote.")]
RecordFile = Annotated[Path | None, typer.Option("--out", help="JSON file to write.")]
ParamsFile = Annotated[Path | None, typer.Option(help="Parameters, as params.yaml.")]


def to_words(words: str) -> None:
    """Print a remark for the person at the screen."""
    err.print(escape(words), style="dim", soft_wrap=True)


def print_record(record: Any, as_json: bool, show: Callable[[Any], None]) -> None:  # noqa: ANN401
    """Print a record as JSON, or as `show` does."""
    if as_json:
        out.print_json(json.dumps(record, default=str))
    else:
        show(record)


def write_pages(checkout: Path, pages: Mapping[Path, str], command: str, *, write: bool) -> None:
    """Write the generated pages that differ and print their paths, or raise `UserError`."""
    for path, text in pages.items():
        target = checkout / path
        if target.is_file() and target.read_text(encoding="utf-8") == text:
            continue
        if not write:
            rule = "a generated page must be up to date"
            raise UserError(rule, f"{path} differs", f"run `{command} --write`")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        out.print(f"written  {path}", soft_wrap=True)


@contextmanager
def resumable() -> Iterator[None]:
    """Say that the same command goes on, where the user stops what is inside.

    The signal is remembered: native code that it interrupts may raise an error of its own instead.
    """
    stopped = False

    def refuse(number: int, frame: object) -> None:
        nonlocal stopped
        stopped = True
        signal.default_int_handler(number, None)

    before = signal.signal(signal.SIGINT, refuse)
    try:
        yield
    except BaseException:
        if not stopped:
            raise
        to_words("stopped; the same command goes on from here")
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, before)


def print_summary(folder: Path) -> None:
    """Print counts, rejections and where the release is."""
    from busgen.factory.rounds import count

    rows = count(folder / "index.parquet")
    accepted, attempts = (sum(row[key] for row in rows) for key in ("accepted", "attempts"))
    print_rows(rows)
    out.print(
        f"accepted {accepted} of {attempts} attempts ({accepted / attempts:.1%})\n"
        f"dataset  {folder}\n[bold]{NOT_FOR_CLINICAL_USE}[/]",
        soft_wrap=True,
    )


def print_outcome(release: Path, limits: Mapping[str, Any], report: Path) -> None:
    """Print what a run made, what its limits say, where to look, what to do next."""
    from busgen.factory.rounds import count
    from busgen.report.answers import limits as answers

    made, attempts = Counter[str](), 0
    for row in count(release / "index.parquet"):
        made[row["pathology"]] += row["accepted"]
        attempts += row["attempts"]
    accepted, told = made.total(), ", ".join(f"{n} {name}" for name, n in made.items())
    lines = [
        ("made", f"{accepted} images with masks and findings: {told}"),
        ("gates", f"{accepted} of {attempts} attempts accepted ({accepted / attempts:.1%})"),
        ("verdict", f"[bold]{answers.to_words(limits) or 'no limits'}[/]"),
        *(("", escape(x.why)) for x in answers.make_answers(limits) if x.answer == answers.NO),
        ("look", f"{escape(str(report))}: images, and what they are fit for"),
        ("dataset", escape(str(release))),
        ("next", "busgen show SAMPLE, busgen export DIR --as coco --out COCO, busgen tag NAME"),
        ("", f"[bold]{NOT_FOR_CLINICAL_USE}[/]"),
    ]
    for name, text in lines:
        out.print(f"{name:8} {text}", soft_wrap=True)


def print_nearness(record: Mapping[str, Any]) -> None:
    """Print how near images are to training patients, and the thresholds of same patients."""
    scores = {name.removeprefix("privacy_"): score for name, score in record["scores"].items()}
    print_rows(_to_rows(scores | {"copies": record["copies"]}))
    for space, metrics in record["thresholds"].items():
        if metrics["value"] is not None:
            to_words(
                f"{space}: same patient below {metrics['value']:.4g}, from {metrics['pairs']} pairs"
            )
    for name, reason in record["skipped"].items():
        to_words(f"left out: {name}: {reason}")


def print_comparison(record: Mapping[str, Any]) -> None:
    """Print the scores of two sets, a table a stratum, and what a reader should know of them."""
    for stratum, scores in record["scores"].items():
        out.print(escape(stratum))
        print_rows(_to_rows(scores))
    for note in record["notes"]:
        to_words(note)
    for stratum, reasons in record["skipped"].items():
        for name, reason in reasons.items():
            to_words(f"left out: {stratum}, {name}: {reason}")


def print_cleaning(record: Mapping[str, Any]) -> None:
    """Print what cleaning found in the real data: a column a dataset, a row a count."""
    columns = {**record["datasets"], "all": record["all"]}
    simple = ("published", "read", "patients", "clusters", "redundant", "conflicts")
    rows = [{"": name} | {c: n[name] for c, n in columns.items()} for name in simple]
    for part, key in (("left out", "left_out"), ("flag", "flags")):
        for name in dict.fromkeys(name for counts in columns.values() for name in counts[key]):
            found = {c: n[key].get(name, 0) for c, n in columns.items()}
            rows.append({"": f"{part}: {name}"} | found)
    classes = ("benign", "malignant", "normal", "unknown")
    for name, split in product(("splits", "usable"), record["all"]["splits"]):
        row = {"": f"{name.removesuffix('s')}: {split}"}
        for column, counts in columns.items():
            row[column] = " / ".join(str(counts[name][split].get(c, 0)) for c in classes)
        rows.append(row)
    print_rows(rows)
    out.print(f"classes: {' / '.join(classes)}; usable: for labels, copies left out")


def print_rows(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print records as a table, "-" where a record lacks a key."""
    rows = list(rows)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(*columns)
    for row in rows:
        values = (row.get(column, "-") for column in columns)
        cells = (f"{v:.4g}" if isinstance(v, float) else str(v) for v in values)
        table.add_row(*map(escape, cells))
    out.print(table)


def print_versions(found: Sequence[Mapping[str, Any]]) -> None:
    """Print dataset versions: generators, quality, the primary gains downstream, seconds."""
    for row in found:
        generator = row["generator"]
        engines = {
            key: f"{generator.get(key, '')} {generator.get(f'{key}_sha256', '-')[:12]}".strip()
            for key in ("engine", "mask_engine", "prior")
        }
        gains = {
            f"{score}, {train}": "{value:+.3f} ({low:+.3f} to {high:+.3f})".format(**own["gain"])
            for task, score in (("classification", "AUC"), ("segmentation", "Dice"))
            for train, own in row["downstream"].get(task, {}).items()
            if "gain" in own
        }
        costs = {f"{stage} s": row["seconds"].get(stage, "-") for stage in COSTLY}
        quality = {
            "accepted": row["accepted"],
            "limits": row.get("verdict", "-"),
            "mean KS": _mean_ks(row["scores"]),
            "floor": _mean_ks(row["floors"]),
            "descriptor AUC": row["scores"].get("descriptor_auc", "-"),
        }
        out.print(f"[bold]{escape(row['version'])}[/]  {row['date']}")
        print_rows([quality | costs])
        print_rows([engines])
        if gains:
            print_rows({"gain of real + synthetic": k, "value": of} for k, of in gains.items())


def _mean_ks(scores: Mapping[str, float]) -> float | str:
    distances = [value for name, value in scores.items() if name.startswith("ks_")]
    return sum(distances) / len(distances) if distances else "-"


def _to_rows(scores: Mapping[str, Mapping[str, Any]]) -> list[dict[str, object]]:
    """Return a stratum's scores as rows; what is beyond the floor's limit is told from real."""
    rows: list[dict[str, object]] = []
    for name, one in scores.items():
        value, limit = one["value"], one["floor_limit"]
        beyond = value > limit if one["bad"] == "high" else value < limit
        ends = "{:.3g} .. {:.3g}".format(*one["interval"])
        row = {"score": name, "value": value, "interval": ends, "n": one["n"]}
        rows.append(
            row | {"floor": one["floor"], "limit": limit, "beyond": "yes" if beyond else "no"}
        )
    return rows
