"""Settings in general: limits in words, and every problem at once."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field, model_validator

from commissure.errors import ConfigError
from commissure.settings import Section, limits, validated


class Colours(Section):
    """A section to be filled."""

    share: float = Field(0.5, ge=0, le=0.75)
    number: int = Field(1, ge=1)
    width_mm: float = Field(1.0, gt=0)
    most: int | None = Field(None, le=9)
    below: float = Field(0.0, lt=1)
    name: Literal["red", "green"] = "red"
    free: str = ""

    @model_validator(mode="after")
    def _red_is_narrow(self) -> Colours:
        if self.name == "red" and self.width_mm > 5:
            raise ValueError("a red one is narrower")
        return self


def test_limits_in_words():
    fields = Colours.model_fields
    assert {name: limits(info) for name, info in fields.items()} == {
        "share": "0 to 0.75",
        "number": "1 or more",
        "width_mm": "above 0",
        "most": "at most 9",
        "below": "below 1",
        "name": "red, green",
        "free": "",
    }


def test_problems_are_named_together():
    with pytest.raises(ConfigError) as caught:
        validated(Colours, {"shares": 1, "number": 0, "name": "blue"}, who="colours")
    sentence = str(caught.value)
    assert sentence.startswith("colours: ")
    assert "shares is unknown (did you mean share?)" in sentence
    assert "number: Input should be greater than or equal to 1, found 0" in sentence
    assert "'red' or 'green', found 'blue'" in sentence


def test_a_check_of_the_whole_section_speaks_for_itself():
    with pytest.raises(ConfigError, match=r"^colours: a red one is narrower\.$"):
        validated(Colours, {"width_mm": 6}, who="colours")
