"""Which real images may be shown, how, and where a page that holds them may lie.

In: canonical tables and rows, a folder to write to. Out: squares that may be examined, or refusal.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from busgen.arrays import Pixels
from busgen.errors import UserError
from busgen.imaging.square import find_field, square_crop
from busgen.io import decode_png, read_json
from busgen.real.readers.registry import INFO


def may_show(table: Path) -> bool:
    """Return whether the images of a canonical table may be shown at all."""
    return bool(read_json(table.parent / INFO)["pixels_may_show"])


def display_crop(row: Mapping[str, Any], side: int) -> Pixels | str:
    """Return the square of a canonical row, (side, side) uint8, or why it gives itself away."""
    image, mask = (decode_png(row[name]["bytes"], row["source_file"]) for name in ("image", "mask"))
    field = find_field(image)
    square = square_crop(image, mask, side, field=field)
    if square.padded > 0:
        return "padded"
    if square.scale < 1:
        return "enlarged"
    if row["ignore"] is not None:
        ignore = decode_png(row["ignore"]["bytes"], row["source_file"])
        if square_crop(ignore, mask, side, field=field).image.any():
            return "overlay"
    return square.image


def require_untracked(file: Path) -> None:
    """Raise `UserError` if `file` lies in a git checkout that does not ignore it."""
    place = file.resolve()
    roots = [parent for parent in place.parents if (parent / ".git").exists()]
    if not roots:
        return
    command = ["git", "-C", str(roots[0]), "check-ignore", "--quiet", str(place)]
    try:
        ignored = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:  # no git: nothing says that it is ignored
        ignored = False
    if not ignored:
        rule = "a page with patients' images must lie where git does not track it"
        raise UserError(rule, str(file), "choose a folder outside, or an ignored one (data/...)")


def require_no_output(file: Path) -> None:
    """Raise `UserError` if `file` lies in an output of a DVC pipeline, which `dvc push` shares."""
    place = file.resolve()
    for root in place.parents:
        if not (root / "dvc.yaml").is_file():
            continue
        stages = yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8")).get("stages", {})
        outputs = [out for stage in stages.values() for out in stage.get("outs", ())]
        if any(place.is_relative_to(root / str(out)) for out in outputs):
            rule = "a page with patients' images must not lie in an output that DVC shares"
            raise UserError(rule, str(file), "choose another folder")
