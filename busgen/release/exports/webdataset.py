"""Form `webdataset`: tar files of samples to stream, ``train-000000.tar`` and on.

A sample is ``<id>.png``, ``<id>.mask.png`` (0 and 255), ``<id>.cls`` (the number of its pathology
in `schema.PATHOLOGIES`), ``<id>.txt`` (its text) and ``<id>.json``: the index's columns, all of
them as text, since readers take a column's type from the first samples.
"""

import io
import json
import tarfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from busgen import schema
from busgen.release.exports.samples import THIN, Row, to_text, write_samples
from busgen.release.signing import Signature

_SAMPLES = 10_000  # a tar file


def write(folder: Path, out: Path, signature: Signature | None) -> None:
    """Write the release `folder` as tar files."""
    tar: tarfile.TarFile
    counts = Counter[str]()
    with ExitStack() as opened:

        def save(row: Row, name: str, place: Path) -> tuple[str, str]:
            nonlocal tar
            number, rest = divmod(counts[row["split"]], _SAMPLES)
            counts[row["split"]] += 1
            file = f"{row['split']}-{number:06d}.tar"
            if rest == 0:
                opened.close()  # one at a time
                tar = opened.enter_context(tarfile.open(place / file, "w"))
            for ending, data in _encode(row).items():
                info = tarfile.TarInfo(f"{name.replace('.', '_')}.{ending}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            return file, file

        write_samples(folder, out, save, place=".", signature=signature)


def _encode(row: Row) -> dict[str, bytes]:
    """Return the files of a sample, by ending."""
    return {
        "png": row["image"]["bytes"],
        "mask.png": row["mask"]["bytes"],
        "cls": str(schema.PATHOLOGIES.index(row["pathology"])).encode(),
        "txt": row["text"].encode(),
        "json": json.dumps(dict(zip(THIN, to_text(row), strict=True))).encode(),
    }
