"""Forms `folder` and `monai`: per split `images/` and `masks/` (0 and 255) as PNG.

`monai` lists them in `datalist.json`, which `monai.data.load_decathlon_datalist` reads; the
transform `AsDiscreted(keys="label", threshold=1)` makes its masks 0 and 1.
"""

from pathlib import Path

from busgen import NOT_FOR_CLINICAL_USE
from busgen.io import dumps, write_text
from busgen.release.exports.samples import Row, write_samples
from busgen.release.signing import Signature

_LISTS = {"train": "training", "validation": "validation", "test": "test"}  # as MONAI calls them


def write(folder: Path, out: Path, signature: Signature | None, *, listed: bool = False) -> None:
    """Write the release `folder` as images and masks, `listed` for MONAI or not."""
    lists: dict[str, list[Row]] = {name: [] for name in _LISTS.values()}

    def save(row: Row, name: str, place: Path) -> tuple[str, str]:
        image, mask = f"images/{name}.png", f"masks/{name}.png"
        (place / image).write_bytes(row["image"]["bytes"])
        (place / mask).write_bytes(row["mask"]["bytes"])
        paths = {"image": f"{row['split']}/{image}", "label": f"{row['split']}/{mask}"}
        lists[_LISTS[row["split"]]].append(paths | {"pathology": row["pathology"]})
        return image, mask

    write_samples(folder, out, save, ("images", "masks"), signature=signature)
    if listed:
        head = {"description": NOT_FOR_CLINICAL_USE, "licence": "CC BY 4.0"}
        write_text(out / "datalist.json", dumps(head | lists))
