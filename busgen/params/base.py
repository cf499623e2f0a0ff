"""What every section of the parameters shares: frozen models, bounds, and how a section is read.

In: a YAML file. Out: one section as its model; the first broken rule is one message.
"""

import re
from collections import Counter
from collections.abc import Mapping
from math import isnan
from pathlib import Path
from reprlib import Repr
from typing import Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from busgen.errors import UserError, to_printable

FILE = Path("params.yaml")
MOST_CHARS = 2000  # of a text
Model = TypeVar("Model", bound=BaseModel)


class Section(BaseModel):
    """One stage's parameters: frozen, unknown keys refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, str_max_length=MOST_CHARS
    )


class Bounds(Section):
    """Bounds of one score."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min must not exceed max: {self.min} > {self.max} passes nothing")
        return self

    @field_validator("action", "out_of_domain", mode="before", check_fields=False)
    @classmethod
    def _yaml_off(cls, action: object) -> object:
        return "off" if action is False else action  # YAML 1.1 reads a bare `off` as false

    def passes(self, score: float) -> bool:
        """Whether `score` is within the bounds; NaN never is."""
        if isnan(score):
            return False
        return (self.min is None or score >= self.min) and (self.max is None or score <= self.max)


class _Loader(yaml.SafeLoader):
    """PyYAML's, whose errors all name the line: of a date, number or tag that is none, too.

    Refused is what it reads otherwise than people do: a key twice, numbers as 010 (8) and 1:30
    (90), text that does not print; and what can grow without end, the merging of mappings.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        try:
            made = super().construct_object(node, deep)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            kind = node.tag.rpartition(":")[2]
            problem = f"{abridge(node.value)} is no {kind}; a text that looks like one needs quotes"
            raise _refuse(node, problem) from error
        if isinstance(made, str) and to_printable(made) != made:
            raise _refuse(node, f"{abridge(made)}, which does not print")
        if isinstance(made, int | float) and _MISREAD.fullmatch(node.value):
            raise _refuse(node, f"{abridge(node.value)}, which YAML reads as {made:g}")
        return made

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((name for name, count in Counter(names).items() if count > 1), None)
        if twice is not None:
            raise _refuse(node, f"the key {abridge(twice)} twice")
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            raise _refuse(node, "a mapping to be merged (<<), which is not read")


_MISREAD = re.compile(r"[-+]?0[\d_]+|[^.]*:.*")  # numbers to base 8 and 60


def _refuse(node: yaml.Node, problem: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def load_section(name: str, model: type[Model], path: Path = FILE) -> Model:
    """Return the section `name` of the parameters in `path`; errors as `read_yaml` and `check`."""
    section = read_yaml(path).get(name, {})
    if not isinstance(section, Mapping):
        raise UserError(f"{name} must map keys to values", abridge(section), f"mend it in {path}")
    return check(model, section, str(path), name)


def read_yaml(path: Path) -> Mapping[str, object]:
    """Return the mapping in `path`, empty for an empty file; `UserError` if there is none."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        remedy = "run in a checkout or name a file"
        raise UserError(f"{path} must be readable", error, remedy) from error
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", error)
        where = f"line {mark.line + 1}" if mark else "the file"
        raise UserError(f"{path} must be YAML", problem, f"mend {where}") from error
    except RecursionError as error:
        rule = f"{path} must map sections to keys"
        raise UserError(rule, "hundreds of levels, one in the other", "see README") from error
    if not isinstance(content, Mapping | None):
        got = type(content).__name__
        raise UserError(f"{path} must map sections to keys", got, "see README")
    return content or {}


def check(
    model: type[Model], content: Mapping[str, object], where: str, section: str = ""
) -> Model:
    """Return `content` as `model`; the first broken rule is a `UserError` that names its key."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in (section, *first["loc"]) if part != "")
        rule = first["msg"].removeprefix("Value error, ")
        got = abridge(first["input"])
        if first["type"] == "extra_forbidden":
            rule, got = "unknown key", key
        raise UserError(f"{key}: {rule}", got, f"mend it in {where}") from None


def abridge(value: object) -> str:
    """Return `value` in few words, however large it is or deep."""
    short = Repr()
    short.maxstring = short.maxother = 200
    try:
        return short.repr(value)
    except ValueError:  # an integer of thousands of digits has no decimal text
        return type(value).__name__
