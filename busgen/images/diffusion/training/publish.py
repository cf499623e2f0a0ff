"""A finished training as others get it: weights, parameters, logs, samples, facts, model card.

In: a training's work folder, its pipeline. Out: the generator's folder; README.md in it is the
card, with parameters, logs and (where it was measured) what `busgen bench images` found. Sample
sheets show what a network draws while it learns, always of the same findings of the prior: no
patient's mask or words are among their conditions.
"""

import json
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch

from busgen import io
from busgen.arrays import Pixels
from busgen.folders import write_folder
from busgen.images.diffusion.autoencoder import FACTOR, draw_noise
from busgen.images.diffusion.conditions import styles_for, terms_of
from busgen.images.diffusion.engine import KIND, save_model
from busgen.images.diffusion.levels import draw_place
from busgen.images.diffusion.pipeline import STEPS, BreastUltrasoundPipeline
from busgen.images.diffusion.scanners import LIKE
from busgen.images.diffusion.training.plan import NETWORK, Training
from busgen.images.training.examples import BOUNDS, ImageSet
from busgen.io import encode_png, replace_file
from busgen.masks.engines import load_mask_engine
from busgen.priors.draw import draw
from busgen.priors.network import load_prior
from busgen.priors.scanners import with_scanners
from busgen.real.crops import SIDE, origin_of
from busgen.templates import card_of
from busgen.training_loop import LOG, make_draws

CARD, RECORD = "README.md", "bench.json"  # the latter of `busgen bench images`, in EVIDENCE
EVIDENCE = "evidence"  # folder of parameters, logs and facts about the data
SHEET = "samples.png"  # in it: what the generator draws by default
COMPONENTS = ("unet", "autoencoder")
ROWS, COLUMNS = 3, 4
SEED = 20261126


def publish(
    training: Training, images: Mapping[str, ImageSet], pipeline: BreastUltrasoundPipeline
) -> None:
    """Write the finished generator with parameters, logs, facts about its data, and its card."""
    with write_folder(training.out, KIND) as partial:
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
    )
    io.write_text(folder / CARD, text)


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
    terms, masks, styles, place = _request()
    conditions = pipeline.encode(terms, masks, styles, place)
    noise = make_draws(SEED, 0, pipeline.device).noise
    shape = (len(terms), pipeline.channels, SIDE // FACTOR, SIDE // FACTOR)
    start = torch.randn(shape, generator=noise, device=pipeline.device)
    images = pipeline(conditions, start, draw_noise(len(terms), SIDE, noise), STEPS)
    grey = (images * 255).round().to(torch.uint8).cpu().numpy()
    rows = grey.reshape(ROWS, COLUMNS, SIDE, SIDE).transpose(0, 2, 1, 3)
    with replace_file(path) as partial:
        partial.write_bytes(encode_png(rows.reshape(ROWS * SIDE, COLUMNS * SIDE)))


@cache
def _request() -> tuple[torch.Tensor, Pixels, torch.Tensor, torch.Tensor]:
    """Return terms, masks, styles and places of the findings."""
    findings = draw(with_scanners(load_prior(), LIKE), ROWS * COLUMNS, SEED)
    masks = load_mask_engine("curvature", SIDE).draw(findings)
    styles = styles_for([finding.scanner for finding in findings])
    place = torch.stack([draw_place(finding.seed) for finding in findings])
    return terms_of(findings), masks, styles, place
