"""The plan of a generator's training: what it reads, which parts it trains, where it works.

In: canonical tables, the cohort, parameters. Out: a `Training` whose work folder's name hashes all
that decides the weights.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from busgen import folders, io
from busgen.code import hash_code
from busgen.errors import UserError
from busgen.images.diffusion.engine import KIND, checked_hash
from busgen.learning.presets import Presets
from busgen.params.train_images import FlowParams, ScheduleParams, TrainImagesParams
from busgen.real.cohort import find_cohort, find_tables
from busgen.training_loop import Schedule

NETWORK = ("flow", "guided")  # parts that train the denoising network
PARTS = ("autoencoder", *NETWORK, "decoder")  # in the order in which they are trained
# `small` is what the parameters say by themselves, two hours of two cores; `base` is for one large
# GPU, some 25 minutes
_QUICK = {"steps": 2, "batch": 2}
PRESETS: Presets = MappingProxyType(
    {
        "small": {},
        "base": {
            "autoencoder": {"steps": 8000, "batch": 64},
            "flow": {"steps": 8000, "batch": 256, "widths": (128, 256, 384), "layers": 2},
            "guided": {"steps": 1500, "batch": 256},
            "decoder": {"steps": 4000, "batch": 64},
        },
        "rehearsal": dict.fromkeys(("autoencoder", "guided", "decoder"), _QUICK)
        | {"flow": _QUICK | {"widths": (32, 64)}},
    }
)


@dataclass(frozen=True)
class Training:
    """A training that can start: what it reads, where it works, where it ends."""

    params: TrainImagesParams
    tables: tuple[Path, ...]
    cohort: Path
    work: Path
    out: Path

    def schedule(self, part: str) -> Schedule:
        """Return how long and how fast a part learns."""
        request: ScheduleParams = getattr(self.params, part)
        own = request.model_dump(include={"steps", "batch", "rate", "accumulate"})
        seed, half = self.params.seed + PARTS.index(part), self.params.half_precision
        return Schedule(**own, seed=seed, half_precision=half)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that are trained: with a generator to start from, its network and decoder."""
        request = PARTS[1:] if self.params.start else PARTS
        return tuple(part for part in request if getattr(self.params, part).steps)

    @property
    def images_seen(self) -> Mapping[str, int]:
        """Images that each part sees, as `tick` counts them."""
        return {part: getattr(self.params, part).images_seen for part in self.parts}


def plan(
    folder: Path, out: Path, params: TrainImagesParams, without: Collection[str] = ()
) -> Training:
    """Return the training on the canonical data in `folder`; it works beside `out`.

    `without`: datasets that it is not to learn from. Raises `UserError` if `folder` has no
    canonical data, `out` holds other things, or
    `params.start` is no generator.
    """
    tables = find_tables(folder, without)
    return resolve(tables, find_cohort(folder), params, folders.work_path(out), out)


def resolve(
    tables: Sequence[Path], cohort: Path, params: TrainImagesParams, work: Path, out: Path
) -> Training:
    """Return the training; its work folder's name hashes all that decides the weights.

    Raises `UserError` if `out` holds other things, or `params.start` no generator, or one of
    another network.
    """
    folders.require_replaceable(out, KIND)
    key = params.model_dump_json()
    if params.start:
        key += checked_hash(params.start)
        _require_network(params.start, params.flow)
    key += hash_code("busgen.images.diffusion.training.stage")
    key += "".join(io.sha256_file(path) for path in (*tables, cohort))
    name = f"images-{io.sha256_bytes(key.encode())[:16]}"
    return Training(params, tuple(tables), cohort, work / name, out)


def _require_network(start: Path, request: FlowParams) -> None:
    """Raise `UserError` unless the generator in `start` has the network that is asked for."""
    config = io.read_json(start / "unet" / "config.json")
    own = tuple(config["block_out_channels"]), config["layers_per_block"]
    wanted = request.widths, request.layers
    if own != wanted:
        rule = f"flow.widths and flow.layers must be those of {start}: {own[0]} and {own[1]}"
        raise UserError(rule, f"{wanted[0]} and {wanted[1]}", "take its, or begin with none")
