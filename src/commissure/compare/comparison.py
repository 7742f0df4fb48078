"""The comparison of two runs, its verdict, and the answer in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commissure.compare.agreement import (
    DIFFERENT,
    EQUIVALENT,
    IDENTICAL,
    VERDICTS,
    MarkerAgreement,
    agreements,
)
from commissure.compare.causes import RESULTS, Cause, causes, of_other_people, unrecorded
from commissure.compare.lists import changed_exclusions, changed_products
from commissure.compare.results import auc_change, changed_files
from commissure.compare.runs import Run
from commissure.compare.tolerances import Key, Tolerance, read_tolerances, widest
from commissure.outputs import COMPLETENESS, EXCLUSIONS, MARKERS, TOLERANCES

#: Exit status of ``commissure compare`` by verdict.
EXIT = {IDENTICAL: 0, EQUIVALENT: 3, DIFFERENT: 4}


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs, and why.

    Attributes
    ----------
    markers
        One row for each marker and region.
    exclusions, products
        What changed of ``exclusions.tsv`` and ``completeness.tsv``.
    files
        Every other table and JSON file.
    auc
        Change of the main model's AUC; None where no run has one.
    causes
        What differs between what made the runs.
    cannot
        What cannot be compared, in sentences.
    other_people
        Whether the runs are of different datasets.
    has_tolerances
        Whether one of the runs, or a file that was named, has tolerances.
    """

    markers: list[MarkerAgreement]
    exclusions: list[dict[str, str]]
    products: list[dict[str, str]]
    files: list[dict[str, Any]]
    auc: dict[str, Any] | None
    causes: list[Cause]
    cannot: list[str]
    other_people: bool
    has_tolerances: bool

    @property
    def verdict(self) -> str:
        """``identical``, ``equivalent`` or ``different``."""
        if self.other_people or not self.markers or self.exclusions or self.products:
            return DIFFERENT
        worst = max((row.verdict for row in self.markers), key=VERDICTS.index)
        results = self.auc["verdict"] if self.auc else IDENTICAL
        changed = [row for row in self.files if row["verdict"] == DIFFERENT]
        if worst == IDENTICAL:
            # Equal markers and other results: what came after the markers is another.
            return DIFFERENT if changed or results != IDENTICAL else IDENTICAL
        if worst == DIFFERENT or results == DIFFERENT or any(row["reason"] for row in changed):
            return DIFFERENT
        return EQUIVALENT

    @property
    def pool(self) -> bool:
        """Whether the numbers of the two runs may be used together."""
        if self.other_people:
            return not self.made_otherwise
        return self.verdict != DIFFERENT

    @property
    def made_otherwise(self) -> list[Cause]:
        """Causes beside the inputs."""
        return [cause for cause in self.causes if cause.kind != "input"]

    def why(self, part: str) -> list[Cause]:
        """Causes that reach a modality, or ``results``."""
        return [cause for cause in self.causes if cause.may_change(part)]

    def words(self) -> list[str]:
        """The answer in sentences, the most important first."""
        if self.other_people:
            return self._words_of_other_people()
        if not self.markers:
            return [
                "Do not pool: there are no markers that both runs have, so nothing can be compared."
            ]
        counts = {v: sum(row.verdict == v for row in self.markers) for v in VERDICTS}
        said = {
            IDENTICAL: "Pool: every value of the two runs is the same, to the last digit.",
            EQUIVALENT: "Pool: what differs is no more than the last digit of the input explains.",
            DIFFERENT: "Do not pool: the two runs do not give the same numbers.",
        }
        lines = [
            said[self.verdict],
            f"Markers: {counts[IDENTICAL]} identical, {counts[EQUIVALENT]} equivalent, "
            f"{counts[DIFFERENT]} different.",
        ]
        changed = [row for row in self.files if row["verdict"] == DIFFERENT]
        if counts[DIFFERENT] and not self.has_tolerances:
            lines.append(
                "No tolerances were measured, so every difference counts: "
                "`snakemake tolerances` measures them."
            )
        if self.exclusions:
            lines.append(f"Exclusions: {len(self.exclusions)} stand in one run alone.")
        if self.products:
            lines.append(f"Products: the state of {len(self.products)} changed.")
        if changed:
            names = ", ".join(row["file"] for row in changed)
            lines.append(f"Files that differ beside the markers: {names}.")
        if self.verdict != IDENTICAL:
            lines.append(self._explained())
        return lines

    def _words_of_other_people(self) -> list[str]:
        first = "The runs are of different datasets: their numbers cannot be compared."
        if not self.made_otherwise and not self.cannot:
            return [
                first,
                "Pool: both were made by the same options, code, versions and kind of machine.",
            ]
        return [
            first,
            "Do not pool yet: they were not made in the same way, or it is not known. Run a few "
            "people of the one as the other was run, and compare these two runs.",
        ]

    def _explained(self) -> str:
        if self.causes:
            count = len(self.causes)
            return f"What made the runs differs in {count} {'point' if count == 1 else 'points'}."
        return "Nothing that was recorded of the two runs explains the difference."

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "verdict": self.verdict, "pool": self.pool, "words": self.words(),
            "cannot_be_compared": self.cannot, "different_datasets": self.other_people,
            "causes": [cause.record() for cause in self.causes],
            "markers": [
                {**row.record(), "causes": self.names(row.modality)}
                if row.verdict != IDENTICAL else row.record()
                for row in self.markers
            ],
            "exclusions": self.exclusions, "products": self.products,
            "auc": self.auc, "files": self.files,
            "results_causes": self.names(RESULTS),
        }  # fmt: skip

    def names(self, part: str) -> list[str]:
        """Causes that reach a part, as short names: ``option func.strategy``."""
        return [f"{cause.kind} {cause.what}" for cause in self.why(part)]


def compare(a: Path, b: Path, *, tolerances: Path | None = None) -> Comparison:
    """Compare two runs.

    Parameters
    ----------
    a, b
        Output folders.
    tolerances
        A ``tolerances.tsv``; by default those of the two runs, the larger of each marker.

    Raises
    ------
    DatasetError
        A folder is that of no run, or the tolerances cannot be read.
    """
    first, second = Run.at(a), Run.at(b)
    limits = _limits(first, second, tolerances)
    others = of_other_people(first, second)
    cannot = unrecorded(first, second)
    tables = {
        output: [run.table(output) for run in (first, second)]
        for output in (MARKERS, EXCLUSIONS, COMPLETENESS)
    }
    for output, pair in tables.items():
        for name, run, table in zip("AB", (first, second), pair, strict=True):
            if table is None:
                is_there = "cannot be read" if run.has(output) else "is not there"
                cannot.append(f"{output.path} of run {name} {is_there}")
    versions = [run.record.get("version") for run in (first, second)]
    if all(versions) and versions[0] != versions[1]:
        cannot.append(
            f"run A was made by version {versions[0]} and run B by {versions[1]}: files that one "
            "of the versions does not write are not compared"
        )
    markers: list[MarkerAgreement] = []
    exclusions: list[dict[str, str]] = []
    products: list[dict[str, str]] = []
    if not others:
        (m_a, m_b), (e_a, e_b), (c_a, c_b) = tables.values()
        if m_a is not None and m_b is not None:
            markers = agreements(m_a, m_b, limits)
        if e_a is not None and e_b is not None:
            exclusions = changed_exclusions(e_a, e_b)
        if c_a is not None and c_b is not None:
            products = changed_products(c_a, c_b)
        if markers and not any(row.n for row in markers):
            cannot.append("no person and marker stands in both runs")
            markers = []
    return Comparison(
        markers, exclusions, products,
        [] if others else changed_files(first, second),
        None if others else auc_change(first, second),
        causes(first, second), cannot, others, bool(limits),
    )  # fmt: skip


def _limits(a: Run, b: Run, named: Path | None) -> Mapping[Key, Tolerance]:
    if named is not None:
        return read_tolerances(named)
    return widest(*(read_tolerances(r.folder / TOLERANCES.path) for r in (a, b)
                    if r.has(TOLERANCES)))  # fmt: skip


def finite(value: Any) -> bool:
    """Whether a number is there to be printed."""
    return isinstance(value, int | float) and math.isfinite(value)
