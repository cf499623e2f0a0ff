"""The page that readers answer on, and the key that stays with whoever leads the study.

In: a `Study`. Out: a folder with ``study.html``, which needs no network and holds no answer, and
``key.json``, which holds them all.
"""

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from busgen import __version__, folders, io, schema
from busgen.reader_study.records import ANSWERS, DESCRIBED, KEY, RATINGS, Record, seal
from busgen.reader_study.study import Options, Study, make_study
from busgen.real.crops import require_untracked
from busgen.release.files import SUMS
from busgen.report import words
from busgen.templates import pages_of

HERE = Path(__file__).parent
PAGE, KEY_FILE = "study.html", "key.json"
STUDY = "reader study"
BANNER = "Not for clinical use. Some of these are real patients’ images: do not copy."
STEP_MM, LOWEST = 10, 0.95  # of the marks of the depth
SCRIPTS = ("checksum.js", "page.js")
HALO = ("present", "absent")
SEVERAL = ("margin",)  # fields of which a reader may choose several terms
ALONE = ("circumscribed",)  # terms that stand with no other


def write_study(
    release: Path, real: Path, out: Path, request: Options, *, descriptors: bool = True
) -> Record:
    """Write page and key of a new study to the folder `out`, and return the key.

    `out` must not exist or be empty, for a key cannot be made up again, and not lie where git
    would track it, for the page holds patients' images. With `descriptors` readers may give
    BI-RADS and descriptors too. Raises `UserError` if `out` is no such folder or what is asked for
    cannot be had (`make_study`), `DataError` if release or real data are damaged.
    """
    folders.require_new(out)
    require_untracked(out / PAGE)
    with folders.lock_folder(out, STUDY):
        study = make_study(release, real, request)
        page = render(study, descriptors=descriptors)
        hashes = {
            "page_sha256": io.sha256_bytes(page.encode()),
            "release_sha256": io.sha256_file(release / SUMS),
        }
        key = seal(_describe(study) | hashes)
        with folders.write_folder(out, STUDY) as folder:
            (folder / PAGE).write_text(page, encoding="utf-8")
            (folder / KEY_FILE).write_text(io.dumps(key), encoding="utf-8")
    return key


def _describe(study: Study) -> Record:
    """Return the key of a study: of each image what it is, where from, and what is said of it."""
    return {
        "format": KEY,
        "study": study.name,
        "code_version": __version__,
        "chosen": study.chosen,
        "images": {name: _tell(one) for name, one in sorted(study.images.items())},
        "practice": {name: _tell(one) for name, one in study.practice.items()},
    }


def _tell(one: Any) -> Record:  # noqa: ANN401 - an image of a study
    """Return what the key says of an image: all but its pixels, and their hash."""
    told = {key: value for key, value in vars(one).items() if key != "pixels"}
    return told | {"image_sha256": io.sha256_array(one.pixels)}


def _mark_depths(study: Study) -> dict[str, list[tuple[int, str]]]:
    """Return the marks of each image's scale: per cent of the depth that is shown, and words.

    Millimetres where every image of the study states them; else per cent, for a scale that only
    synthetic images had would tell them. No mark is near the lower edge, whose place would tell
    depths that are round.
    """
    every = study.images | study.practice
    if any(one.depth_mm is None for one in every.values()):
        return {name: [(share, f"{share} %") for share in (25, 50, 75)] for name in every}
    return {
        name: [
            (round(100 * mm / one.depth_mm), f"{mm} mm")
            for mm in range(STEP_MM, int(LOWEST * one.depth_mm) + 1, STEP_MM)
        ]
        for name, one in every.items()
        if one.depth_mm is not None
    }


def render(study: Study, *, descriptors: bool) -> str:
    """Return the page; it holds ids, blocks and pixels, nothing that tells real from synthetic."""
    data = {
        "format": ANSWERS,
        "study": study.name,
        "ratings": RATINGS,
        "blocks": study.blocks,
        "fields": [_field(name) for name in DESCRIBED] if descriptors else [],
        "images": {n: image_uri(one.pixels) for n, one in sorted(study.images.items())},
        "practice": {n: image_uri(one.pixels) for n, one in study.practice.items()},
        "depths": _mark_depths(study),
        "side_px": len(next(iter(study.images.values())).pixels),
    }
    return (
        pages_of(HERE)
        .get_template("page.html")
        .render(
            banner=BANNER,
            data=json.dumps(data).replace("<", "\\u003c"),
            descriptors=descriptors,
            n=len(study.images),
            practice=len(study.practice),
            ratings=RATINGS,
            script="".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS),
            style=(HERE / "page.css").read_text(encoding="utf-8"),
            study=study.name,
        )
    )


def _field(name: str) -> dict[str, Any]:
    """Return what a reader may say of a lesion: field, its title, terms, and how many of them."""
    terms = schema.BY_NAME[name].values or HALO
    heading = str.upper if name == "birads" else words.name_term
    return {
        "name": name,
        "title": words.name_field(name),
        "terms": [(term, heading(term)) for term in terms],
        "several": name in SEVERAL,
        "alone": ALONE,
    }


def image_uri(pixels: NDArray[np.uint8]) -> str:
    """Return (H, W) uint8 pixels as a PNG data URI whose length depends on their number alone.

    Not compressed: how well an image compresses would tell what it is.
    """
    _, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    return "data:image/png;base64," + base64.b64encode(data.tobytes()).decode()
