"""A release as an object: rows, images and masks in arrays, samples by number, batches for torch.

In: a release folder. Out: a `Dataset`. Masks are {0, 1} in every array; PNGs hold {0, 255}.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from busgen import NOT_FOR_CLINICAL_USE, folders, io
from busgen.arrays import Pixels
from busgen.release.files import find_files, require_release
from busgen.release.write import RELEASE

if TYPE_CHECKING:
    from busgen.release.torch_samples import TorchSamples

PIXELS = ("image", "mask")
Sample = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A finished release in `folder`; made without one of its own, it goes with the object.

    `dataset[k]` is sample *k*: its row, with `image` (H, W) uint8 and `mask` (H, W) uint8 {0, 1};
    a slice is a list of samples.
    """

    folder: Path
    scratch: "TemporaryDirectory[str] | None" = None

    @cached_property
    def table(self) -> pa.Table:
        """Accepted samples, one row each: every column but the pixels."""
        files = [pq.ParquetFile(file) for file in find_files(self.folder)]
        columns = [name for name in files[0].schema_arrow.names if name not in PIXELS]
        return pa.concat_tables(file.read(columns) for file in files)

    @cached_property
    def images(self) -> Pixels:
        """Images, (N, H, W) uint8, in the order of `table`."""
        return np.stack([self._decode("image", row) for row in range(len(self))])

    @cached_property
    def masks(self) -> Pixels:
        """Masks, (N, H, W) uint8 {0, 1}, in the order of `table`."""
        return np.stack([self._decode("mask", row) for row in range(len(self))])

    def torch(self) -> "TorchSamples":
        """Return the samples as torch's `Dataset`, which its `DataLoader` takes as it is."""
        from busgen.release.torch_samples import TorchSamples

        return TorchSamples(self)

    def save(self, folder: str | Path) -> None:
        """Write the release to `folder`, which must not exist or be empty."""
        target = Path(folder).resolve()
        folders.require_new(target)
        with folders.write_folder(target, RELEASE) as partial_folder:
            folders.copy_folder(self.folder, partial_folder)

    @cached_property
    def _cells(self) -> pa.Table:
        tables = [pq.read_table(file, columns=list(PIXELS)) for file in find_files(self.folder)]
        return pa.concat_tables(tables)

    def _decode(self, name: str, row: int) -> Pixels:
        pixels = io.decode_png(self._cells[name][row].as_py()["bytes"])
        return pixels // np.uint8(255) if name == "mask" else pixels

    def __len__(self) -> int:
        return len(self.table)

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...

    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        """Return a sample, or those of a slice; raise `IndexError` beyond the last."""
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        (known,) = self.table.slice(row, 1).to_pylist()
        return {**known, **{name: self._decode(name, row) for name in PIXELS}}

    def __repr__(self) -> str:
        """Return how many samples of each class there are, their side, and where they lie."""
        classes = Counter(self.table["pathology"].to_pylist()).most_common()
        counts = ", ".join(f"{count} {name}" for name, count in classes)
        side = len(self._decode("image", 0)) if len(self) else "no"
        head = f"Dataset of {len(self)} samples ({counts}), {side} px, in {self.folder}"
        return f"{head}. {NOT_FOR_CLINICAL_USE}"


def load(folder: str | Path) -> Dataset:
    """Return the release in `folder`; raise `UserError` if there is none."""
    return Dataset(require_release(Path(folder).resolve()))
