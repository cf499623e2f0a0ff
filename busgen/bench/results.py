"""The pages of results: written from committed JSON, never typed.

In: `docs/results/` of a checkout (pages, words, records of benchmarks) and the records that
ship in `busgen/assets/`. Out: the text of each page and of README's table of headline results.
"""

from pathlib import Path
from typing import Any

import yaml

from busgen.errors import UserError
from busgen.images.diffusion.training.plan import EVIDENCE, RECORD, write_card
from busgen.io import dumps, read_json, write_text
from busgen.templates import to_markdown

FOLDER = Path("docs/results")
README = Path("README.md")
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
NOTE = "<!-- Written by `busgen bench --write` from JSON: do not edit. -->\n"
CARRIED = "† Carried over from an earlier page; the record is lost and is to be measured anew."
COLUMNS = ("what", "value", "n", "bar", "holds")
WRITTEN_IN = "docs/results/pages.yaml or words.yaml"


def result_pages(checkout: Path) -> dict[Path, str]:
    """Return the text of every generated page, by its path in the checkout.

    Raises `UserError` if a page names a record or a figure that is not there.
    """
    listed = _yaml(checkout / FOLDER / "pages.yaml")
    pages = {FOLDER / _file(page): _page(checkout, page) for page in listed}
    rows = [[f"[{one['title']}]({_file(one)})", one["question"]] for one in listed]
    index = to_markdown(["page", "question"], rows)
    pages[FOLDER / "index.md"] = f"{NOTE}\n# Results\n\n{index}"
    pages[README] = _readme(checkout, listed)
    return pages


def keep_record(checkout: Path, record: dict[str, Any]) -> None:
    """Write what a benchmark measured to where its page reads it, and the generator's card."""
    listed = _yaml(checkout / FOLDER / "pages.yaml")
    path = next(page["record"] for page in listed if page["name"] == record["name"])
    write_text(checkout / path, dumps(record))
    if record["name"] == "images":
        write_card(checkout / path.removesuffix(f"/{EVIDENCE}/{RECORD}"))


def _page(checkout: Path, page: dict[str, Any]) -> str:
    """Return one page: question, source, figures with their bars, tables, remarks."""
    parts = [NOTE, f"# {page['title']}\n", f"{page['question']}\n"]
    if "record" in page:
        record = _record(checkout / page["record"])
        parts += [_source(record, page["record"], page["command"])]
        words = _yaml(checkout / FOLDER / "words.yaml")
        parts += [_figures(record, words[page["name"]])]
    for table in page.get("lookup", ()):
        parts += [_lookup(checkout, table)]
    return "\n".join(parts)


def _source(record: dict[str, Any], path: str | Path, command: str) -> str:
    """Return where figures come from: command, machine, commit, or that they were carried over."""
    phrases = (
        f"Command: `{command}`. Machine: {record['machine']}.",
        f"Commit: `{record['commit']}`." if record.get("commit") else "",
        f"Record: `{path}`.",
        f"**{record['note']}**" if record.get("note") else "",
        f"**Source: {record['source']}.**" if record.get("source") else "",
    )
    return " ".join(filter(None, phrases)) + "\n"


def _figures(record: dict[str, Any], words: dict[str, str]) -> str:
    """Return the table of all figures that have words: those with a bar first, missed ones bold."""
    barred = [key for key in words if key in record["bars"]]
    others = [key for key in words if key in record["figures"] and key not in record["bars"]]
    rows = [_row(key, words[key], record) for key in (*barred, *others)]
    held = sum(record["bars"][key]["holds"] for key in barred)
    table = to_markdown([*COLUMNS, "figure"], rows)
    return f"{held} of {len(barred)} bars hold.\n\n{table}"


def _row(key: str, words: str, record: dict[str, Any]) -> list[str]:
    figure, bar = record["figures"].get(key), record["bars"].get(key)
    bound = f"{bar['op']} {_number(bar['bound'])}" if bar else "-"
    holds = ("yes" if bar["holds"] else "**no**") if bar else "-"
    value, n = (_value(figure), f"{figure['n']:,}") if figure else ("not measured", "-")
    return [words, value, n, bound, holds, f"`{key}`"]


def _lookup(checkout: Path, table: dict[str, Any]) -> str:
    """Return a table whose cells are paths into a JSON."""
    record = _record(checkout / table["file"])
    for key in table["prefix"].split(".") if "prefix" in table else ():
        record = record[key]
    rows = [
        [label, *(_value(_find(record, path)) if path else "" for path in paths)]
        for label, *paths in table["rows"]
    ]
    title = f"## {table['title']}\n\nRecord: `{table['file']}`. {table.get('note', '')}".rstrip()
    return f"{title}\n\n{to_markdown(['', *table['columns']], rows)}"


def _file(page: dict[str, Any]) -> str:
    """Return the name of a page's file; `index.md` is the list of them all."""
    return f"{page.get('file', page['name'])}.md"


def _readme(checkout: Path, listed: list[dict[str, Any]]) -> str:
    """Return README with its block of headline results as it must be."""
    text = (checkout / README).read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UserError(f"{README} must hold {BEGIN} and {END}", "neither", "put the markers back")
    by_name, words = {one["name"]: one for one in listed}, _yaml(checkout / FOLDER / "words.yaml")
    rows = []
    for name, key in _yaml(checkout / FOLDER / "headline.yaml"):
        record = _record(checkout / by_name[name]["record"])
        what, value, *cells, _ = _row(key, words[name][key], record)
        carried = " †" if record.get("source") else ""
        rows.append([what, value + carried, *cells, f"[{name}]({FOLDER}/{_file(by_name[name])})"])
    table = to_markdown([*COLUMNS, "results"], rows)
    notes = f"{CARRIED}\n" if "†" in table else ""
    return f"{before}{BEGIN}\n{table}\n{notes}{END}{after}"


def _value(figure: dict[str, Any]) -> str:
    """Return value, interval and unit; an interval is ``interval`` or ``low`` and ``high``."""
    ends = figure.get("interval") or [figure[key] for key in ("low", "high") if key in figure]
    between = f" ({_number(ends[0])} to {_number(ends[1])})" if ends else ""
    unit = figure.get("unit", "")
    return f"{_number(figure['value'])}{between}{' ' + unit if unit not in ('', 'share') else ''}"


def _number(value: float) -> str:
    """Return four digits, without an exponent from a thousand to a million."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.4g}"


def _find(record: dict[str, Any], path: str) -> dict[str, Any]:
    found: Any = record
    for key in path.split("."):
        if key not in found:
            raise UserError("a page must name figures that are there", path, f"mend {WRITTEN_IN}")
        found = found[key]
    return dict(found)


def _record(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError("a page must name a record that is there", path, f"mend {WRITTEN_IN}")
    return dict(read_json(path))


def _yaml(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    return yaml.safe_load(path.read_text(encoding="utf-8"))
