"""What is asked of the simulator: who is scanned, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from commissure.errors import ConfigError
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.protocol import Protocol, known_preset, merged
from commissure.settings import validated

#: Presets whose people do not differ by group.
WITHOUT_EFFECTS = ("null",)


class Request(Protocol):
    """A protocol, and the people who are measured by it."""

    cohort: CohortRequest = Field(default_factory=CohortRequest)
    preset: str = Field("demo", description="The preset that the request started from.")

    @field_validator("preset")
    @classmethod
    def _plants_what_its_name_says(cls, preset: str, info: ValidationInfo) -> str:
        cohort = info.data.get("cohort")
        if preset in WITHOUT_EFFECTS and cohort and cohort.effects:
            raise ValueError(f"{preset} with effects: no effects or another preset is expected")
        return preset


def chosen_request(preset: str = "demo", changes: Mapping[str, Any] | None = None) -> Request:
    """Take a preset and change what is asked for.

    Parameters
    ----------
    preset
        Name, one of :data:`commissure.phantom.protocol.PRESETS`.
    changes
        Values by dotted name, as ``{"dwi.voxel_mm": 2.0, "cohort.controls": 20}``.

    Raises
    ------
    ConfigError
        The preset or a name is unknown, or no study or scanner could be like this; every problem
        is named at once.
    """
    changes = changes or {}
    if "preset" in changes:
        raise ConfigError("--set", found="preset", wanted="--preset for the name of the preset")
    values = {**known_preset(preset), "preset": preset}
    if preset in WITHOUT_EFFECTS:
        values["cohort"] = {"effects": 0.0}
    return validated(Request, merged(values, changes), who="simulate")
