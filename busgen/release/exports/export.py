"""A release in the forms that other tools open.

In: a release folder. Out: a folder, whole or not at all, with `samples.csv`, and `metadata.parquet`
where images lie: ``datasets.load_dataset("imagefolder")`` opens all forms but tar files and DICOM.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from busgen import schema
from busgen.errors import DataError, UserError
from busgen.folders import write_folder
from busgen.io import write_text
from busgen.release import sql
from busgen.release.exports import coco, dicom, nnunet, pairs, voc, webdataset, yolo
from busgen.release.files import LICENCE, find_files, require_release
from busgen.release.signing import Signature

EXPORT = "export"
FORMS: dict[str, Callable[[Path, Path, Signature | None], None]] = {
    "folder": pairs.write,
    "coco": coco.write,
    "yolo": yolo.write,
    "yolo_boxes": partial(yolo.write, boxes=True),
    "voc": voc.write,
    "nnunet": nnunet.write,
    "monai": partial(pairs.write, listed=True),
    "webdataset": webdataset.write,
    "dicom": dicom.write,
}


def export(
    folder: Path, out: Path, form: str = "folder", signature: Signature | None = None
) -> None:
    """Write the release `folder` to `out` in another form.

    `folder`: the release; `out`: a folder that is new or empty, or holds nothing but an unchanged
    export; `form`: one of `FORMS`; `signature`: signs the images of all but DICOM. nnU-Net's
    dataset is `out` where that is named as nnU-Net asks, else the folder `nnunet.NAME` in it.
    """
    if form not in FORMS:
        raise UserError("form must be known", repr(form), f"choose from {', '.join(FORMS)}")
    if signature and form == "dicom":
        raise UserError("DICOM is not signed", form, "choose another form, or do not sign")
    require_release(folder)
    _require_ids(folder)
    with write_folder(out, EXPORT) as work:
        named = form != "nnunet" or re.fullmatch(r"Dataset\d{3}_.+", out.resolve().name)
        place = work if named else work / nnunet.NAME
        place.mkdir(exist_ok=True)
        FORMS[form](folder, place, signature)
        write_text(work / LICENCE, (folder / LICENCE).read_text(encoding="utf-8"))


def _require_ids(folder: Path) -> None:
    """Raise `DataError` if an id, which names files, cannot on every disk, or stands twice."""
    if not (files := find_files(folder)):  # a release of no sample
        return
    with sql.connect() as connection:
        found = connection.execute(
            f"SELECT sample_id, count(*) FROM {sql.from_parquet(files)} GROUP BY 1 "
            f"HAVING count(*) > 1 OR NOT regexp_full_match(sample_id, '{schema.ID}') LIMIT 1"
        ).fetchone()
    if found:
        rule = f"a sample_id must be {schema.ID_ABOUT}, each once"
        remedy = "`busgen verify` names them all; generate the release again"
        times = f" {found[1]} times" if found[1] > 1 else ""
        raise DataError(rule, f"{found[0]!r:.80}{times}", remedy)
