"""The datasets that anything in a release has learned from, part by part.

In: a request, its prior. Out: names of datasets by part, for card and licence: whoever tests a
model on one of them must know. Facts stand beside the weights of each part.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from busgen import io
from busgen.errors import DataError
from busgen.params.generate import GenerateParams

FACTS = Path("evidence") / "facts.json"
UNKNOWN = "unknown"  # a user's own weights say nothing


def list_sources(
    request: GenerateParams, prior: Mapping[str, Any], *, judged: bool
) -> dict[str, tuple[str, ...]]:
    """Return the datasets that prior, masks, images, judges and gates learned from.

    `judged`: whether judges are asked. A dataset may be `UNKNOWN`.
    """
    parts = {"prior": tuple(prior["datasets"])}
    if request.mask_engine == "semantic_curvature":
        parts["masks"] = _read(request.mask_model or io.ASSETS / "masks", FACTS)
    if request.engine not in ("phantom",):
        model = Path(request.model) if request.model else io.ASSETS / "images"
        parts["images"] = _read(model, FACTS)
    if judged:
        parts["judges"] = _read(request.judges or io.ASSETS / "judges", Path("scores.json"))
    gates = io.read_json(io.ASSETS / "reference" / "reference.json")["sources"]
    parts["gates"] = tuple(sorted(source["name"] for source in gates))
    return parts


def _read(folder: Path, name: Path) -> tuple[str, ...]:
    """Return the datasets that the facts in a folder of weights list."""
    try:
        return tuple(sorted(io.read_json(folder / name)["data"]))
    except (DataError, KeyError):
        return (UNKNOWN,)
