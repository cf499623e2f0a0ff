"""Where the parts of a run meet: a folder that all machines see, or object storage.

In: a folder, or the URL of one as fsspec has them (``s3://bucket/run``). Out: files brought there
and back by name, ``shards/round-00-shard-00000.parquet``. Nothing is locked there, and nothing
renamed in object storage, where an object appears whole or not at all: what counts is said by
manifests, which come last.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from busgen import folders, io
from busgen.errors import StorageError, UserError
from busgen.extras import require_extra

LOCAL = "file://"


@dataclass(frozen=True)
class WorkStore:
    """Files by name, below the folder `root` or in object storage.

    `place` is what the user called it, `files` fsspec's file system, None for a folder. What cannot
    be read or written is a `StorageError`.
    """

    place: str
    root: str
    files: Any = None

    @contextmanager
    def open_folder(self) -> Iterator[Path]:
        """Yield a folder of this machine to make files in: this one, or one that goes after."""
        if self.files is None:
            yield folders.open_work(Path(self.root))
            return
        with TemporaryDirectory(prefix="busgen-") as scratch:
            yield Path(scratch)

    def read(self, name: str) -> bytes | None:
        """Return a file's bytes, None if there is none."""
        with self._report():
            try:
                path = f"{self.root}/{name}"
                return bytes(self.files.cat_file(path)) if self.files else Path(path).read_bytes()
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes) -> None:
        """Write a file, whole or not at all."""
        with self._report():
            if self.files:
                self.files.pipe_file(f"{self.root}/{name}", data)
                return
            with io.replace_file(Path(self.root) / name) as partial:
                partial.write_bytes(data)

    def fetch(self, name: str, folder: Path) -> None:
        """Bring a file to `folder`, under its name, if there is one; as a link, where it can be."""
        source, target = Path(self.root) / name, folder / name
        if self.files:
            if (data := self.read(name)) is not None:
                with io.replace_file(target) as partial:
                    partial.write_bytes(data)
        elif source.is_file() and source != target:
            with io.replace_file(target) as partial:
                folders.link_file(source, partial)

    def publish(self, name: str, folder: Path) -> None:
        """Bring a file here from `folder`, which `open_folder` gave."""
        if self.files:
            self.write(name, (folder / name).read_bytes())

    def clear(self, folder: Path) -> None:
        """Remove the shards in `folder`, which `open_folder` gave, where the store has its own."""
        if self.files:
            shutil.rmtree(folder / "shards", ignore_errors=True)

    @contextmanager
    def _report(self) -> Iterator[None]:
        """Turn what a file system raises into a `StorageError`: each driver has its own."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            remedy = "check address, keys and room, that a bucket exists, and run again"
            raise StorageError(f"{self.place} must be in reach", error, remedy) from error


def open_store(place: str) -> WorkStore:
    """Return the store at a folder or URL; `UserError` if nothing here can open such a URL."""
    if place.startswith(LOCAL) or "://" not in place:
        return WorkStore(place, str(Path(place.removeprefix(LOCAL)).resolve()))
    import fsspec

    if place.startswith("s3://"):
        require_extra("s3", "storage at s3://")
    try:
        files, root = fsspec.core.url_to_fs(place, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        remedy = "name a folder, or a URL such as s3://bucket/run"
        raise UserError("the work folder must be one that fsspec can open", error, remedy) from None
    return WorkStore(place, root.rstrip("/"), files)
