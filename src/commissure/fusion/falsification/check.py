"""What an attempt to prove the classifier wrong is, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from commissure.fusion.divided import DividedStudy
from commissure.fusion.fitted import FittedStudy


@dataclass(frozen=True)
class Verdict:
    """What an attempt came to.

    Attributes
    ----------
    value
        The number that was found, or None.
    expected
        What it must be, in words or as a limit.
    passed
        True where the attempt left the result standing, False where it did not, and None where the
        data cannot decide.
    description
        The verdict in words.
    """

    value: float | None
    expected: str
    passed: bool | None
    description: str


@dataclass(frozen=True)
class FalsificationCheck:
    """An attempt to prove the classifier wrong.

    Attributes
    ----------
    name, question
        As in falsification.json.
    attempt
        Takes the study with its fitted models.
    """

    name: str
    question: str
    attempt: Callable[[FittedStudy], Verdict]

    def record(self, fitted: FittedStudy) -> dict[str, Any]:
        """The entry in falsification.json."""
        return self._entry(self.attempt(fitted))

    def _entry(self, verdict: Verdict) -> dict[str, Any]:
        return {
            "name": self.name,
            "question": self.question,
            "value": verdict.value,
            "expected": verdict.expected,
            "passed": verdict.passed,
            "description": verdict.description,
        }


@dataclass(frozen=True)
class SeparateCheck(FalsificationCheck):
    """An attempt that looks at no predictions and no permutations: it may be a job of its own.

    Attributes
    ----------
    attempt
        Takes the study before its models are fitted.
    """

    attempt: Callable[[DividedStudy], Verdict]

    def record(self, fitted: DividedStudy) -> dict[str, Any]:
        """The entry in falsification.json."""
        return self._entry(self.attempt(fitted))
