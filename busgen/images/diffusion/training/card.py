"""The model card of a published generator.

In: its folder, with parameters, logs and (where they were measured) scores. Out: README.md in it.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from busgen.io import read_json, write_text
from busgen.templates import card_of

CARD, SCORES = "README.md", "scores.json"
EVIDENCE = "evidence"  # folder of parameters, logs and facts about the data
SHEET = "samples.png"  # in it: what the generator draws by default
COMPONENTS = ("unet", "autoencoder")


def describe_machine() -> str:
    """Return what the machine computes with, in words."""
    if torch.cuda.is_available():
        return f"one {torch.cuda.get_device_name()}"
    return f"{os.cpu_count()} cores ({platform.machine()}), no GPU"


def write_card(folder: Path) -> None:
    """Write the card of the generator in `folder` from what stands beside it."""
    evidence = folder / EVIDENCE
    facts, params = read_json(evidence / "facts.json"), read_json(evidence / "params.json")
    scores = folder / SCORES
    text = card_of(Path(__file__).parent).render(
        **facts,
        params=params,
        parts=_parts(evidence, params, facts["trained"]),
        sheet=f"{EVIDENCE}/{SHEET}",
        scores=read_json(scores) if scores.is_file() else None,
    )
    write_text(folder / CARD, text)


def _parts(
    evidence: Path, params: Mapping[str, Any], trained: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return what the card says of each part that was trained."""
    parts = {}
    for name in trained:
        asked, log = params[name], evidence / f"{name}.jsonl"
        if not asked["steps"]:
            continue
        last = json.loads(log.read_text("utf-8").splitlines()[-1]) if log.is_file() else {}
        told = ", ".join(f"{key} {value}" for key, value in last.items() if key != "remaining_s")
        seen = asked["steps"] * asked["batch"] * asked.get("accumulate", 1)
        parts[name] = {**asked, "seen": seen, "last": told or "no log"}
    return parts
