"""The page: templates of this folder filled in, every value escaped; printed as PDF by Chromium.

In: the name of a template and its values. Out: HTML that needs no network, and a PDF beside it.
"""

import base64
import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from busgen import NOT_FOR_CLINICAL_USE, io
from busgen.errors import UserError
from busgen.report import words
from busgen.templates import pages_of

HERE = Path(__file__).parent
# of what a page may load: its own images and styles, and the one script of ours
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'"


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return the page."""
    environment = pages_of(HERE)
    environment.filters |= {
        "number": words.format_number,
        "percent": words.format_percent,
        "term": words.name_term,
        "field": words.name_field,
    }
    style, script = ((HERE / name).read_text("utf-8") for name in ("style.css", "enlarge.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"{POLICY}; script-src 'sha256-{digest}'"
    fixed = {"banner": NOT_FOR_CLINICAL_USE, "script": script, "policy": policy, "style": style}
    return environment.get_template(template).render(values, **fixed, words=words)


NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LIMIT_S = 300.0
_SILENT = ("no-first-run", "disable-background-networking", "disable-component-update")
SWITCHES = [
    f"--{name}"
    for name in ("headless", "disable-gpu", *_SILENT, "disable-sync", "no-pdf-header-footer")
]


def find_chromium() -> str:
    """Return the path of Chromium or Chrome; `UserError` if there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        rule = "a PDF is printed by Chromium or Chrome, which must be on PATH"
        raise UserError(rule, "none", "install chromium, or print the page from a browser")
    return found


def print_pdf(page: Path, target: Path) -> None:
    """Print `page` to `target`, whole or not at all.

    Raises
    ------
    UserError
        If there is no Chromium, or it prints nothing.
    """
    # a superuser's Chromium has no sandbox; the page is ours
    rights = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with TemporaryDirectory(prefix="busgen-") as scratch, io.replace_file(target) as partial:
        generated = Path(scratch) / "page.pdf"
        profile = f"--user-data-dir={Path(scratch) / 'profile'}"
        command = [find_chromium(), *SWITCHES, *rights, profile, f"--print-to-pdf={generated}"]
        try:
            done = subprocess.run(
                [*command, page.resolve().as_uri()],
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
            phrases = "\n".join(done.stderr.splitlines()[-3:])
        except subprocess.TimeoutExpired:
            phrases = f"nothing for {LIMIT_S:.0f} s"
        if not generated.is_file():
            raise UserError("Chromium must print the page", phrases, "print it from a browser")
        shutil.move(generated, partial)
