"""Benchmark of texts: 200 descriptions as radiologists phrase them, read by the parser.

In: `descriptions.jsonl`, each text with the conditions that it states. Out: figures on the half
that the parser's words were chosen on, and on the half that was kept apart.
"""

import json
from hashlib import sha256
from pathlib import Path

from busgen.bench.harness import Bar, Figure
from busgen.bench.texts.scores import Description, Reading, figures
from busgen.errors import FindingError
from busgen.priors.request import _setting
from busgen.priors.text.parse import read_text

DESCRIPTIONS = Path(__file__).with_name("descriptions.jsonl")
BARS = {
    "precision_held_out": Bar(">=", 0.98),
    "recall_held_out": Bar(">=", 0.9),
    "misread_held_out": Bar("<=", 0.02),
    "named_held_out": Bar(">=", 0.9),
}


def measure(quick: bool = False) -> dict[str, Figure]:
    """Return the figures of both halves; `quick` reads the first one alone."""
    found: dict[str, Figure] = {}
    for half in ("development",) if quick else ("development", "held_out"):
        found |= figures(read_half(half), parse, half)
    return found


def read_half(half: str) -> list[Description]:
    """Return the descriptions of the ``development`` or the ``held_out`` half.

    A text's half follows from its hash.
    """
    rows = map(json.loads, DESCRIPTIONS.read_text(encoding="utf-8").splitlines())
    return [
        Description(row["text"], tuple(_setting(s) for s in row["states"]), tuple(row["named"]))
        for row in rows
        if (half == "held_out") == bool(sha256(row["text"].encode()).digest()[-1] % 2)
    ]


def parse(text: str) -> Reading:
    """Return what the parser understands; a text with unknown words is refused whole."""
    try:
        understood = read_text(text)
    except FindingError as error:
        return Reading((), str(error), refused=True)
    return Reading(understood.conditions, " ".join(understood.left_out))
