"""The main job as a function call: parameters in, a release out; no server, no repository.

In: what is asked for. Out: a release folder, or a `Dataset` that holds one and can save it.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from busgen import io
from busgen.errors import UserError
from busgen.factory.plan import Plan, resolve
from busgen.factory.rounds import make_candidates
from busgen.factory.shard import Manifest, ShardSpec, Tick, run_shard
from busgen.factory.work import locked
from busgen.params import GenerateParams, Params, check
from busgen.release.files import PROVENANCE, data_files
from busgen.release.write import write_release


@dataclass(frozen=True, eq=False)
class Dataset:
    """A finished release on disk; made without a folder of its own, it goes with the object.

    Attributes
    ----------
    folder : the release, as `busgen.release` writes it
    """

    folder: Path
    scratch: "TemporaryDirectory[str] | None" = None

    @cached_property
    def table(self) -> pa.Table:
        """Accepted samples, one row each: every column but the pixels."""
        return pa.concat_tables(self._read(file, drop=("image", "mask")) for file in self._files())

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """Images, (N, H, W) uint8, in the order of `table`."""
        return self._pixels("image")

    @cached_property
    def masks(self) -> NDArray[np.uint8]:
        """Masks, (N, H, W) uint8 {0, 1}, in the order of `table`."""
        return self._pixels("mask") // np.uint8(255)

    def save(self, folder: str | Path) -> None:
        """Write the release to `folder`, which must not exist or be empty."""
        target = Path(folder).resolve()
        check_vacant(target)
        with io.replacing_folder(target) as partial_folder:
            shutil.copytree(self.folder, partial_folder, dirs_exist_ok=True)

    def __len__(self) -> int:
        return len(self.table)

    def _files(self) -> list[Path]:
        return data_files(self.folder)

    @staticmethod
    def _read(file: Path, *, drop: tuple[str, ...]) -> pa.Table:
        import pyarrow.parquet as pq

        names = [n for n in pq.read_schema(file).names if n not in drop]
        return pq.read_table(file, columns=names)

    def _pixels(self, column: str) -> NDArray[np.uint8]:
        import pyarrow.parquet as pq

        pictures = (
            io.decode_png(picture["bytes"])
            for file in self._files()
            for picture in pq.read_table(file, columns=[column])[column].to_pylist()
        )
        return np.stack(list(pictures))


def generate(
    n: int = 200,
    *,
    where: Sequence[str] = (),
    text: str | None = None,
    engine: str = "phantom",
    seed: int = 7,
    params: Params | None = None,
) -> Dataset:
    """Make `n` accepted samples and return them as a `Dataset`.

    Parameters
    ----------
    n
        Number of findings to draw, at least 1.
    where
        Conditions on the prior, as `--set` takes them: ``["pathology=malignant"]``.
    text
        A description in words: ``"irregular hypoechoic mass, spiculated"``.
    engine
        Image engine, a key of `busgen.images.engines.ENGINES`.
    seed
        Root seed in [0, 2**63): the same seed gives the same bytes.
    params
        Everything else (gates, targets, size, splits); defaults as in `busgen.params`.

    Raises
    ------
    UserError
        For a request that is impossible or cannot be filled.
    """
    base = params or Params()
    asked = {"n": n, "where": tuple(where), "text": text, "engine": engine, "seed": seed}
    chosen = check(GenerateParams, base.generate.model_dump() | asked, "the call")
    scratch = TemporaryDirectory(prefix="busgen-")
    folder = Path(scratch.name) / "release"
    produce(base.model_copy(update={"generate": chosen}), folder)
    return Dataset(folder, scratch)


def produce(
    params: Params,
    out: Path,
    tick: Tick | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Plan:
    """Make the release that `params` ask for in `out`, and return its plan.

    Killed and called again, it goes on where it was: shards stand in a hidden folder beside `out`
    until the release is whole. If `out` already is this very release, nothing is made.
    """
    plan = resolve(params.generate)
    out = out.resolve()
    work = out.parent / f".{out.name}.work"
    if not is_release_of(out, plan, params):
        check_vacant(out)  # before anything is made beside it
    with locked(work, say):
        if not is_release_of(out, plan, params):
            check_vacant(out)
            shards = work / plan.shards_sha256[:16]
            make_candidates(plan, shards, partial(run_here, tick=tick))
            write_release(shards, out, params.release)
    shutil.rmtree(work, ignore_errors=True)
    return plan


def run_here(specs: Sequence[ShardSpec], *, tick: Tick | None = None) -> Iterator[Manifest]:
    """Run shards one after the other in this process; each engine uses all cores by itself."""
    return map(partial(run_shard, tick=tick), specs)


def is_release_of(out: Path, plan: Plan, params: Params) -> bool:
    """Whether `out` already holds the release of this plan and these release parameters."""
    if not (out / PROVENANCE).is_file():
        return False
    record = io.read_json(out / PROVENANCE)
    return record.get("plan_sha256") == plan.sha256 and record.get(
        "release"
    ) == params.release.model_dump(mode="json")


def check_vacant(out: Path) -> None:
    """Raise `UserError` if there is something else in `out`."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(
            "the output folder must not exist or be empty",
            f"{out} with other content",
            "choose another --out, or remove it first",
        )
