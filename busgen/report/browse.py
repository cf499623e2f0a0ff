"""The gallery of a release on a page of its own: images to filter and enlarge, no server.

In: a release folder. Out: one HTML file that needs no network.
"""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from busgen import io, schema
from busgen.errors import UserError
from busgen.release.files import PROVENANCE, find_files, require_release
from busgen.release.read import require_columns
from busgen.report import evidence
from busgen.report.page import render
from busgen.report.sections import gallery

SHOWN = 120  # images of a page, unless asked for more
MAX_BYTES = 100_000_000


def write_gallery(release: Path, page: Path, most: int = SHOWN) -> int:
    """Write the gallery of `release` to the file `page`, and return how many images it shows.

    At most `most` images, at equal steps through all. Raises `UserError` if `release` is none or
    has no image, the page would exceed 100 MB, or `page` holds anything but such a gallery,
    unchanged; `DataError` if the release is damaged.
    """
    _require_gallery(page)
    record = io.read_json(require_release(release) / PROVENANCE)
    files = find_files(release)
    names = [column.name for column in schema.columns("index")]
    rows = []
    for path in files:
        require_columns(path, names)
        rows.append(pq.read_table(path, columns=names).to_pandas())
    accepted = sum(map(len, rows))
    if not accepted:
        raise UserError("a release must have images to be looked at", "none", "generate some")
    chosen = gallery.select(pd.concat(rows), most)
    found = evidence.read_pixels(files, [gallery.make_key(row) for row in chosen])
    shots = [gallery.make_shot(row, *found[gallery.make_key(row)]) for row in chosen]
    values = {
        "title": record["title"],
        "plan_sha256": record["plan_sha256"],
        "accepted": accepted,
        "shots": shots,
        "filters": gallery.make_filters(shots, (*gallery.FILTERS, *gallery.FURTHER)),
    }
    html = render("browse.html", values)
    if len(html.encode()) > MAX_BYTES:
        rule = f"a gallery must be at most {MAX_BYTES / 1e6:.0f} MB"
        raise UserError(rule, f"{len(html.encode()) / 1e6:.0f} MB", "show fewer images, --n 120")
    with io.replace_file(page) as partial:
        partial.write_text(_seal(html), encoding="utf-8")
    return len(shots)


def _seal(html: str) -> str:
    """Return the page with its own hash, by which it is known to be unchanged."""
    return f"{html}<!-- busgen browse {io.sha256_bytes(html.encode())} -->\n"


def _require_gallery(page: Path) -> None:
    """Raise `UserError` if there is anything at `page` but a gallery of ours, unchanged."""
    if not page.exists():
        return
    try:
        text = page.read_text(encoding="utf-8")
        ours = text == _seal(text[: text.rindex("<!-- busgen browse ")])
    except (OSError, ValueError):
        ours = False
    if not ours:
        rule = "a gallery's file must not exist, or be one that this command wrote"
        raise UserError(rule, f"{page} with other content", "choose another with --out")
