"""What an item of a checklist is, and how a checklist is written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

State = Literal["here", "partly", "authors"]

_SHOWN = {"here": "filled", "partly": "filled in part", "authors": "to the authors"}


@dataclass(frozen=True)
class ChecklistItem:
    """One line of a checklist.

    Attributes
    ----------
    number
        As in the statement: ``12f``; empty where the statement has no number for it.
    topic
        In a few words of our own.
    text
        What the run says; names in braces are facts of the run. Empty where it cannot say anything.
    question
        What only the authors can add; empty where nothing is left.
    section
        Anchor in the report, empty where there is none.
    needs_model
        Whether the text speaks of a fitted model.
    """

    number: str
    topic: str
    text: str = ""
    question: str = ""
    section: str = ""
    needs_model: bool = False

    @property
    def state(self) -> State:
        """Who fills the item."""
        if not self.text:
            return "authors"
        return "partly" if self.question else "here"


def filled(
    items: Iterable[ChecklistItem], facts: Mapping[str, str], *, fitted: bool
) -> list[ChecklistItem]:
    """The items with what the run says.

    Parameters
    ----------
    items
        Items whose texts name facts in braces.
    facts
        Short texts by name; an empty one leaves an item that holds nothing else to the authors.
    fitted
        Whether a model was fitted; without one, the items on models are the authors'.
    """
    done = []
    for item in items:
        text = item.text.format(**facts).strip()
        question = item.question
        if item.needs_model and not fitted:
            text, question = "", "No model was fitted in this run. " + question
        if not text and not question:
            question = "The run does not say it."
        done.append(replace(item, text=text, question=question.strip()))
    return done


def tally(items: Iterable[ChecklistItem]) -> dict[State, int]:
    """How many items are filled, filled in part, and left to the authors."""
    counts: dict[State, int] = {"here": 0, "partly": 0, "authors": 0}
    for item in items:
        counts[item.state] += 1
    return counts


def as_markdown(title: str, introduction: str, items: Sequence[ChecklistItem]) -> str:
    """A checklist as a page of Markdown."""
    counts = tally(items)
    lines = [
        f"# {title}", "", introduction, "",
        f"{len(items)} items: {counts['here']} filled, {counts['partly']} filled in part, "
        f"{counts['authors']} to the authors.", "",
        "| item | topic | state | what the run says | question to the authors |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| {item.number or '–'} | {_cell(item.topic)} | {_SHOWN[item.state]} | "
        f"{_cell(item.text)} | {_cell(item.question)} |"
        for item in items
    ]
    return "\n".join(lines) + "\n"


def as_csv(items: Sequence[ChecklistItem]) -> str:
    """A checklist as comma-separated values, with the columns of the page."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("item", "topic", "state", "text", "question"))
    for item in items:
        row = (item.number, item.topic, _SHOWN[item.state], item.text, item.question)
        writer.writerow([plain_cell(cell) for cell in row])
    return out.getvalue()


def plain_cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|").replace("<", "&lt;")
