"""The model card of a published mask generator.

In: its folder, with parameters, log, facts and (where they were measured) scores. Out: README.md.
"""

import json
from pathlib import Path

from busgen.io import read_json, write_text
from busgen.templates import card_of
from busgen.training_loop import LOG

CARD, SCORES, EVIDENCE = "README.md", "scores.json", "evidence"


def write_card(folder: Path) -> None:
    """Write the card of the generator in `folder` from what stands beside it."""
    evidence, scores = folder / EVIDENCE, folder / SCORES
    lines = [json.loads(line) for line in (evidence / LOG).read_text("utf-8").splitlines()]
    looked = [line for line in lines if "validation_loss" in line]
    text = card_of(Path(__file__).parent).render(
        **read_json(evidence / "facts.json"),
        params=read_json(evidence / "params.json"),
        steps=lines[-1]["step"],
        best=min(looked, key=lambda line: float(line["validation_loss"])),
        scores=read_json(scores) if scores.is_file() else None,
    )
    write_text(folder / CARD, text)
