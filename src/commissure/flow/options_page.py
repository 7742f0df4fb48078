"""The documentation page of all options: what each may be, its default, and which step reads it."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from commissure.engines.ingress.settings import IngressSettings
from commissure.engines.registry import engines_of
from commissure.flow.settings import Settings, step_class
from commissure.markers.settings import TableSettings
from commissure.modalities import MODALITIES, STEPS
from commissure.settings import limits

_WORDS = {
    bool: "true or false", int: "whole number", float: "number", str: "text",
}  # fmt: skip

_INTRODUCTION = """\
# Configuration

Every option: what it may be, its default, and one sentence. `config.yaml` names only what differs.
Keys that are not listed here are refused. An option of a modality is followed by the step that
reads it: changing it repeats that step and what comes after it, and nothing before it.
Generated from the settings models by `make docs`."""


@dataclass(frozen=True)
class Option:
    """One option as the page shows it.

    Attributes
    ----------
    name
        Dotted, as ``func.fd_threshold_mm``.
    values
        What it may be, in words.
    default
        As YAML; empty where it must be given.
    description
        One sentence.
    steps
        Steps of the modality that read it; empty for an option that is no step's.
    """

    name: str
    values: str
    default: str
    description: str
    steps: tuple[str, ...] = ()

    def line(self) -> str:
        """The option as an item of a Markdown list."""
        read_by = f"; {' and '.join(self.steps)}" if self.steps else ""
        default = f"default {self.default}" if self.default else "required"
        return f"- **`{self.name}`** ({self.values}; {default}{read_by}): {self.description}"


def sections() -> Iterator[tuple[str, str, list[Option]]]:
    """Every section of the configuration: its name, its sentence and its options.

    The first has no name and holds the options that are in no section.
    """
    yield from _sections(Settings, "")
    yield "tables[]", _sentence(TableSettings), _options(TableSettings, "tables[].")
    yield "ingress[]", _sentence(IngressSettings), _options(IngressSettings, "ingress[].")


def _sections(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, list[Option]]]:
    yield prefix.rstrip("."), _sentence(model), _options(model, prefix)
    for name, info in model.model_fields.items():
        if _is_section(info):
            yield from _sections(info.annotation, f"{prefix}{name}.")  # type: ignore[arg-type]


def _is_section(info: FieldInfo) -> bool:
    return isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)


def _options(model: type[BaseModel], prefix: str) -> list[Option]:
    modality = prefix.rstrip(".")
    reads = {}
    if modality in MODALITIES:
        reads = {step: set(step_class(model, step).model_fields) for step in STEPS}
    listed = []
    for name, info in model.model_fields.items():
        if _is_section(info):
            continue
        values = _values(info)
        if modality in MODALITIES and name == "engine":
            values = _choices(engines_of(modality))
        listed.append(
            Option(
                name=f"{prefix}{name}",
                values=values,
                default=_default(info),
                description=info.description or "",
                steps=tuple(step for step, fields in reads.items() if name in fields),
            )
        )
    return listed


def _sentence(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _choices(values: tuple[Any, ...]) -> str:
    return " or ".join(f"`{_yaml(value)}`" for value in values)


def _type_words(annotation: Any) -> str:
    """A type in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _choices(arguments)
    if origin in (Union, types.UnionType):
        parts = [_type_words(part) for part in arguments if part is not type(None)]
        return " or ".join(parts + ["null"] * (type(None) in arguments))
    if origin in (list, tuple):
        return f"list of {_type_words(arguments[0])}"
    if origin is dict:
        return f"map from {_type_words(arguments[0])} to {_type_words(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    return _WORDS.get(annotation, str(annotation))


def _values(info: FieldInfo) -> str:
    """Type, limits and pattern in words."""
    words = [_type_words(info.annotation)]
    if get_origin(info.annotation) is not Literal and (said := limits(info)):
        words.append(said)
    words += [f"like `{c.pattern}`" for c in info.metadata if getattr(c, "pattern", None)]
    return ", ".join(words)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return ""
    value = info.get_default(call_default_factory=True)
    return "null" if value is None else f"`{_yaml(value)}`"


def _yaml(value: Any) -> str:
    """A value as it may be typed into the configuration."""
    if isinstance(value, str):
        return value or '""'
    return json.dumps(value, ensure_ascii=False)


def options_page() -> str:
    """The page, in Markdown."""
    parts = [_INTRODUCTION]
    for name, sentence, listed in sections():
        if name:
            parts.append(f"## `{name}`\n\n{sentence}")
        if listed:
            parts.append("\n".join(option.line() for option in listed))
    return "\n\n".join(parts) + "\n"
