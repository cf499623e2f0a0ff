"""The plan of a generator's training, and what others get of a finished one.

In: canonical tables, the cohort, parameters. Out: a `Training` whose work folder's name hashes all
that decides the weights. Of its work folder and its pipeline: the generator's folder; README.md in
it is the card, with parameters, logs and (where it was measured) what `busgen bench images` found.
Sample sheets show what a network draws while it learns, always of the same findings of the prior:
no patient's mask or words are among their conditions.
"""

import json
import os
import platform
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from busgen import folders, io
from busgen.arrays import Pixels
from busgen.code import hash_code
from busgen.errors import UserError
from busgen.images.diffusion.autoencoder import FACTOR, draw_noise
from busgen.images.diffusion.engine import KIND, SHIPPED, checked_hash, save_model
from busgen.images.diffusion.pipeline import STEPS, BreastUltrasoundPipeline
from busgen.images.diffusion.scanners import LIKE
from busgen.images.training.examples import BOUNDS, ImageSet
from busgen.masks.engines import load_mask_engine
from busgen.params.train_images import FlowParams, ScheduleParams, TrainImagesParams
from busgen.priors.draw import draw
from busgen.priors.findings import Finding
from busgen.priors.network import load_prior
from busgen.priors.scanners import with_scanners
from busgen.real.cohort import find_cohort, find_tables
from busgen.real.crops import SIDE, origin_of
from busgen.templates import card_of, tell_changes
from busgen.training_loop import LOG, Schedule, make_draws

NETWORK = ("flow", "guided")  # parts that train the denoising network
PARTS = ("autoencoder", *NETWORK, "decoder", "last_steps")  # in the order in which they are trained
CARD, RECORD = "README.md", "bench.json"  # the latter of `busgen bench images`, in EVIDENCE
EVIDENCE = "evidence"  # folder of parameters, logs and facts about the data
SHEET = "samples.png"  # in it: what the generator draws by default
COMPONENTS = ("unet", "autoencoder")
ROWS, COLUMNS = 3, 4
SEED = 20261126


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


def publish(
    training: Training, images: Mapping[str, ImageSet], pipeline: BreastUltrasoundPipeline
) -> None:
    """Write the finished generator with parameters, logs, facts about its data, and its card."""
    with folders.write_folder(training.out, KIND) as partial:
        evidence = partial / EVIDENCE
        evidence.mkdir(parents=True)
        for part in training.parts:
            log = training.work / f"{part}.training" / LOG
            if log.is_file():
                shutil.copy(log, evidence / f"{part}.jsonl")
        pipeline.to(torch.device("cpu"))
        write_sheet(pipeline, evidence / SHEET)
        shutil.copy(training.work / BOUNDS, evidence / BOUNDS)
        io.write_text(evidence / "params.json", training.params.model_dump_json(indent=1) + "\n")
        io.write_text(evidence / "facts.json", io.dumps(facts(training, images, pipeline)))
        save_model(pipeline, partial)
        write_card(partial)


def facts(
    training: Training, images: Mapping[str, ImageSet], pipeline: BreastUltrasoundPipeline
) -> dict[str, Any]:
    """Return what the card tells of data, network and machine."""
    data = {}
    for table in training.tables:
        name = table.parent.name
        counts = {s: int((each.crops.datasets == name).sum()) for s, each in images.items()}
        if counts["train"]:
            data[name] = origin_of(table) | counts
    flow = [training.schedule(part).images_seen for part in NETWORK if part in training.parts]
    captions = images["train"].captions
    networks = {name: getattr(pipeline, name) for name in COMPONENTS}
    cores = f"{os.cpu_count()} cores ({platform.machine()}), no GPU"
    return {
        "data": data,
        "weights": {n: sum(p.numel() for p in net.parameters()) for n, net in networks.items()},
        "trained": list(training.parts),
        "size_px": SIDE,
        "steps": STEPS,
        "hardware": f"one {torch.cuda.get_device_name()}" if torch.cuda.is_available() else cores,
        "history": "It began with another generator's weights." if training.params.start else "",
        "epochs": round(sum(flow) / len(captions)),
        "described": sum(caption.halo is not None for caption in captions),
    }


def write_card(folder: Path) -> None:
    """Write the card of the generator in `folder` from what stands beside it."""
    evidence = folder / EVIDENCE
    facts, params = io.read_json(evidence / "facts.json"), io.read_json(evidence / "params.json")
    measured = evidence / RECORD
    text = card_of(Path(__file__).parent).render(
        **facts,
        params=params,
        parts=_parts(evidence, params, facts["trained"]),
        sheet=f"{EVIDENCE}/{SHEET}",
        record=io.read_json(measured) if measured.is_file() else None,
        changes=_changes(facts),
    )
    io.write_text(folder / CARD, text)


def _changes(facts: Mapping[str, Any]) -> str:
    """Return what the card tells of datasets that were left out."""
    shipped = io.read_json(SHIPPED / EVIDENCE / "facts.json")

    def count(of: Mapping[str, Any], split: str) -> str:
        return str(sum(each[split] for each in of["data"].values()))

    rows = [(f"images, {s}", count(shipped, s), count(facts, s)) for s in ("train", "validation")]
    read = "images whose readers state terms", str(shipped["described"]), str(facts["described"])
    return tell_changes(facts["data"], shipped["data"], [*rows, read])


def _parts(
    evidence: Path, params: Mapping[str, Any], trained: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return what the card says of each part that was trained."""
    parts = {}
    for name in trained:
        request, log = params[name], evidence / f"{name}.jsonl"
        if not request["steps"]:
            continue
        last = json.loads(log.read_text("utf-8").splitlines()[-1]) if log.is_file() else {}
        text = ", ".join(f"{key} {value}" for key, value in last.items() if key != "remaining_s")
        seen = request["steps"] * request["batch"] * request.get("accumulate", 1)
        parts[name] = {**request, "seen": seen, "last": text or "no log"}
    return parts


def write_sheet(pipeline: BreastUltrasoundPipeline, path: Path) -> None:
    """Write a sheet of images that `pipeline` draws by default."""
    conditions = pipeline.encode_findings(*_request())
    noise = make_draws(SEED, 0, pipeline.device).noise
    shape = (ROWS * COLUMNS, pipeline.channels, SIDE // FACTOR, SIDE // FACTOR)
    start = torch.randn(shape, generator=noise, device=pipeline.device)
    images = pipeline(conditions, start, draw_noise(shape[0], SIDE, noise), STEPS)
    grey = (images * 255).round().to(torch.uint8).cpu().numpy()
    rows = grey.reshape(ROWS, COLUMNS, SIDE, SIDE).transpose(0, 2, 1, 3)
    with io.replace_file(path) as partial:
        partial.write_bytes(io.encode_png(rows.reshape(ROWS * SIDE, COLUMNS * SIDE)))


@cache
def _request() -> tuple[list[Finding], Pixels]:
    """Return the findings and their masks."""
    findings = draw(with_scanners(load_prior(), LIKE), ROWS * COLUMNS, SEED)
    return findings, load_mask_engine("curvature", SIDE).draw(findings)
