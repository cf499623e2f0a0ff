"""Benchmark of texts: 200 descriptions as radiologists phrase them, read by the parser.

In: `descriptions.jsonl`, each text with the conditions that it states. Out: figures on the half
that the parser's words were chosen on, and on the half that was kept apart.
"""

import json
from hashlib import sha256
from pathlib import Path

from busgen.bench.harness import Bar, Figure
from busgen.bench.texts.scores import Description, Reader, Reading, figures
from busgen.errors import FindingError
from busgen.priors.request import parse_setting
from busgen.priors.text.parse import read_text

DESCRIPTIONS = Path(__file__).with_name("descriptions.jsonl")
BARS: dict[str, Bar] = {}


def measure(quick: bool = False) -> dict[str, Figure]:
    """Return the figures of every reader on both halves; `quick` reads the first one alone."""
    found: dict[str, Figure] = {}
    for half in ("development",) if quick else ("development", "held_out"):
        texts = read_half(half)
        for name, reader in readers().items():
            found |= figures(texts, reader, f"{name}_{half}")
    return found


def read_half(half: str) -> list[Description]:
    """Return the descriptions of the ``development`` or the ``held_out`` half.

    A text's half follows from its hash.
    """
    rows = map(json.loads, DESCRIPTIONS.read_text(encoding="utf-8").splitlines())
    return [
        Description(
            row["text"], tuple(parse_setting(s) for s in row["states"]), tuple(row["named"])
        )
        for row in rows
        if (half == "held_out") == bool(sha256(row["text"].encode()).digest()[-1] % 2)
    ]


def readers() -> dict[str, Reader]:
    """Return the readers that are compared."""
    return {"parser": parse, "encoder": encode, "union": unite}


def parse(text: str) -> Reading:
    """Return what the parser understands; a text with unknown words is refused whole."""
    try:
        understood = read_text(text)
    except FindingError as error:
        return Reading((), str(error), refused=True)
    return Reading(understood.conditions, " ".join(understood.left_out))


def encode(text: str) -> Reading:
    """Return what the learned encoder reads: in each slot the likeliest terms."""
    from busgen.images.diffusion.text import SLOTS, UNSTATED, slot_bounds

    row = encoder().encode([text])[0]
    terms: dict[str, list[str]] = {}
    for (name, words), (start, end) in zip(SLOTS, slot_bounds(), strict=True):
        chances = row[start:end].tolist()
        if words[chances.index(max(chances))] == UNSTATED:
            continue
        if name.startswith("margin_"):
            terms.setdefault("margin", []).append(name.removeprefix("margin_"))
            continue
        likely = [w for w, p in zip(words, chances, strict=True) if p > 0.2 and w != UNSTATED]
        terms[name] = likely
    if "circumscribed" in terms.get("margin", []):
        terms["margin"] = ["circumscribed"]
    settings = [f"{k}={('+' if k == 'margin' else '|').join(v)}" for k, v in terms.items()]
    return Reading(tuple(parse_setting(setting) for setting in settings))


def unite(text: str) -> Reading:
    """Return what the parser understands, and of other fields what the encoder reads."""
    parsed, encoded = parse(text), encode(text)
    own = {condition.field for condition in parsed.conditions}
    more = tuple(c for c in encoded.conditions if c.field not in own)
    return Reading(parsed.conditions + more, parsed.named)


def encoder():  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Return the shipped encoder."""
    global _ENCODER
    if _ENCODER is None:
        from busgen.images.diffusion.folder import SHIPPED
        from busgen.images.diffusion.text import TextEncoder

        _ENCODER = TextEncoder.from_pretrained(SHIPPED / "text_encoder").float().eval()
    return _ENCODER


_ENCODER = None
