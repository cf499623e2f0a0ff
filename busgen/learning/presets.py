"""Presets of trainings: changes of parameters by name.

In: parameters, presets, a name. Out: parameters.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from busgen.errors import UserError

Presets = Mapping[str, Mapping[str, Mapping[str, Any]]]  # preset -> part -> key -> value
Params = TypeVar("Params", bound=BaseModel)


def with_preset(params: Params, presets: Presets, name: str | None) -> Params:
    """Return `params` with what the preset `name` changes in its parts.

    Raises `UserError` if there is no such preset.
    """
    if name is None:
        return params
    if name not in presets:
        known = ", ".join(presets)
        raise UserError("preset must be a known one", name, f"choose from {known}, or give none")
    changes = {
        part: getattr(params, part).model_copy(update=dict(change))
        for part, change in presets[name].items()
    }
    return params.model_copy(update=changes)
