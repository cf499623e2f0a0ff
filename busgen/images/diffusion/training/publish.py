"""A finished training as others get it: weights, parameters, logs, samples, facts, card.

In: a training's work folder, its pipeline. Out: the generator's folder.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from busgen import io
from busgen.folders import write_folder
from busgen.images.diffusion.folder import KIND, save_model
from busgen.images.diffusion.pipeline import STEPS, BreastUltrasoundPipeline
from busgen.images.diffusion.training.card import (
    COMPONENTS,
    EVIDENCE,
    SHEET,
    describe_machine,
    write_card,
)
from busgen.images.diffusion.training.plan import NETWORK, Training
from busgen.images.diffusion.training.sample_sheets import write_sheet
from busgen.images.training.examples import BOUNDS, ImageSet
from busgen.real.crops import SIDE, origin_of
from busgen.training_loop import LOG


def publish(
    training: Training, images: Mapping[str, ImageSet], pipeline: BreastUltrasoundPipeline
) -> Path:
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
    return training.out


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
    return {
        "data": data,
        "weights": {
            name: sum(weight.numel() for weight in getattr(pipeline, name).parameters())
            for name in COMPONENTS
        },
        "trained": list(training.parts),
        "size_px": SIDE,
        "steps": STEPS,
        "hardware": describe_machine(),
        "history": "It began with another generator's weights." if training.params.start else "",
        "epochs": round(sum(flow) / len(captions)),
        "described": sum(caption.halo is not None for caption in captions),
    }
