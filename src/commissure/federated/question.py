"""What is asked of the sites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Question:
    """What is asked of the sites.

    Attributes
    ----------
    label
        Column of the people with the group.
    positive, negative
        Its two values.
    covariates
        Columns that groups are compared at equal values of: numbers, or sex.
    disorder
        Whose published pattern the vulnerability index compares people with.
    """

    label: str = "group"
    positive: str = "resistant"
    negative: str = "responsive"
    covariates: tuple[str, ...] = ("age", "sex")
    disorder: str = "schizophrenia"

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Question:
        """From what a request or a job says."""
        fields = {name: said[name] for name in cls.__dataclass_fields__}
        return cls(**{**fields, "covariates": tuple(said["covariates"])})
