"""Presets of trainings: changes of parameters by name, as `presets.toml` lists them.

In: parameters of a stage, a name. Out: parameters.
"""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from busgen.errors import UserError
from busgen.io import read_toml

Params = TypeVar("Params", bound=BaseModel)


def with_preset(params: Params, stage: str, name: str | None) -> Params:
    """Return a stage's `params` with what its preset `name` changes in their parts.

    Raises `UserError` if there is no such preset.
    """
    presets = read_toml(Path(__file__).with_suffix(".toml"))[stage]
    if name is None:
        return params
    if name not in presets:
        known = ", ".join(presets)
        raise UserError("preset must be a known one", name, f"choose from {known}, or give none")
    own = params.model_dump()
    return params.model_validate(own | {k: own[k] | part for k, part in presets[name].items()})
