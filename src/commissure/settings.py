"""The base of every section of the configuration."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Settings of one topic: unknown keys are refused, and nothing changes after reading.

    A modality has one class for each of its two steps, ``<Modality>PreprocessSettings`` and
    ``<Modality>MeasureSettings``; options that both read stand in a base of the two, and
    ``<Modality>Settings`` inherits from both. A step is given its own class only, so that a
    changed threshold of measuring never repeats preprocessing, and a type checker sees a step
    that reads an option of the other.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
