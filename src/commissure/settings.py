"""The base of every section of the configuration, and how a wrong value is put into words."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo

from commissure.errors import ConfigError

# How much of a wrong value is shown.
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200

#: Stands for the default of a section, which has none.
SECTION = object()


class Section(BaseModel):
    """Settings of one topic: unknown keys are refused, and nothing changes after reading.

    A modality has one class for each of its two steps, ``<Modality>PreprocessSettings`` and
    ``<Modality>MeasureSettings``; options that both read stand in a base of the two, and
    ``<Modality>Settings`` inherits from both and from :class:`EngineSettings`. A step is given
    its own class only, so that a changed threshold of measuring never repeats preprocessing, and
    a type checker sees a step that reads an option of the other.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse yes, no, true and false where a number belongs: they would be 1 and 0."""
        kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
        cells = value if isinstance(value, list) else [value]
        numeric = not kinds.isdisjoint((int, float)) and bool not in kinds
        if numeric and any(isinstance(cell, bool) for cell in cells):
            raise ValueError("true or false stands where a number belongs")
        return value


def _kinds(annotation: Any) -> set[Any]:
    """The types that an annotation is made of."""
    parts = get_args(annotation)
    return set().union(*map(_kinds, parts)) if parts else {annotation}


class EngineSettings(Section):
    """Who preprocesses a modality: read by the workflow, not by a step."""

    engine: str = Field(
        "builtin",
        pattern="^[a-z0-9]+$",
        description="Who does the preprocessing; builtin is this package's own.",
    )
    # The option is called `from`, which no line of a class can be.
    __annotations__["from"] = "str | None"
    locals()["from"] = Field(
        None,
        description="With engine: derivatives, the folder that holds sub-* and "
        "dataset_description.json of fMRIPrep, sMRIPrep or QSIPrep.",
    )

    @property
    def tree(self) -> str | None:
        """The option ``from``."""
        return getattr(self, "from")


Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], values: Mapping[str, Any], *, who: str) -> Model:
    """Fill a settings model.

    Parameters
    ----------
    model
        The class of the settings.
    values
        Values by name, sections nested.
    who
        What the values are, as the error names them: ``config.yaml is not valid``.

    Raises
    ------
    ConfigError
        A key is unknown (with the nearest known one), or a value is out of range; every problem
        is named at once.
    """
    try:
        return model(**values)
    except ValidationError as error:
        problems = [_problem(item, model) for item in error.errors()]
        raise ConfigError(
            who, found=problems[0] if len(problems) == 1 else "\n  - " + "\n  - ".join(problems)
        ) from None


def options(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Yield every option below a model: its dotted name, default and description.

    A section comes before its options, with :data:`SECTION` in place of a default.
    """
    for name, info in model.model_fields.items():
        dotted = f"{prefix}{name}"
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield dotted, SECTION, (inner.__doc__ or "").strip().splitlines()[0]
            yield from options(inner, f"{dotted}.")
        else:
            default = info.get_default(call_default_factory=True)
            yield dotted, default, info.description or ""


def limits(info: FieldInfo) -> str:
    """Say which values an option may take: ``0 to 0.5``, ``1 or more``, ``PRESS, sLASER``.

    Empty where its type alone says it.
    """
    if get_origin(info.annotation) is Literal:
        return ", ".join(str(choice) for choice in get_args(info.annotation))
    bounds = {
        name: value
        for constraint in info.metadata
        for name in ("ge", "gt", "le", "lt")
        if (value := getattr(constraint, name, None)) is not None
    }
    low = (
        f"{bounds['ge']:g}"
        if "ge" in bounds
        else f"above {bounds['gt']:g}"
        if "gt" in bounds
        else ""
    )
    high = (
        f"{bounds['le']:g}"
        if "le" in bounds
        else f"below {bounds['lt']:g}"
        if "lt" in bounds
        else ""
    )
    if low and high:
        return f"{low} to {high}"
    if low:
        return f"{low} or more" if "ge" in bounds else low
    return f"at most {high}" if "le" in bounds else high


def _problem(item: Mapping[str, Any], model: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] != "extra_forbidden":
        message = item["msg"].removeprefix("Value error, ")
        # A check of a whole section says itself what it found there.
        shown = (
            "" if isinstance(item["input"], Mapping) else f", found {_SHORT.repr(item['input'])}"
        )
        return f"{where}: {message}{shown}" if where else message
    known = [name for name, _, _ in options(model)]
    siblings = {name for name in known if name.rpartition(".")[0] == where.rpartition(".")[0]}
    near = difflib.get_close_matches(where, sorted(siblings), n=1, cutoff=0.6)
    near = near or difflib.get_close_matches(where, known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else "no option has this name"
    return f"{where} is unknown ({hint})"
