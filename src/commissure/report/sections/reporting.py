"""What a run can say towards TRIPOD+AI, and what only its authors can.

Items after Collins et al. 2024, BMJ 385:e078378 (27 items); the wording here is our own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["here", "partly", "authors"]


@dataclass(frozen=True)
class Item:
    """One line of the checklist.

    Attributes
    ----------
    number
        As in the statement: ``12f``.
    topic
        In a few words.
    state
        ``here`` (this page says it), ``partly``, or ``authors``.
    text
        What the page says, or what the authors must add.
    section
        Anchor in the page, empty where there is none.
    """

    number: str
    topic: str
    state: State
    text: str
    section: str = ""


def checklist(*, fitted: bool, facts: Mapping[str, str]) -> Sequence[Item]:
    """The items in their order.

    Parameters
    ----------
    fitted
        Whether a model was fitted; without one the items on performance stay open.
    facts
        Short texts from the run under ``people``, ``sites``, ``outcome``, ``predictors``,
        ``missing``, ``performance``.
    """
    here: State = "here" if fitted else "authors"
    partly: State = "partly" if fitted else "authors"
    unfitted = "" if fitted else " No model was fitted in this run."
    return [
        Item("1–2", "Title and abstract", "authors", "Name the design, population and outcome."),
        Item("3", "Background, setting of use, health inequalities", "authors",
             "Say for which decision, in whom and before what the prediction would be used."),
        Item("4", "Objectives", "partly", facts["outcome"] + unfitted, "summary"),
        Item("5", "Source and dates of the data", "authors",
             "Name the cohorts, the dates of accrual and of follow-up."),
        Item("6", "Setting, eligibility, treatments", "partly",
             f"{facts['sites']} Inclusion criteria and the care given are for the authors.",
             "people"),
        Item("7", "Data preparation", "here",
             "The steps and their parameters are in the configuration and the files’ sidecars.",
             "rerun"),
        Item("8", "Outcome: definition, assessors, blinding", "partly",
             "The rule for the label is in the configuration; who assessed it, and whether "
             "blind to the images, is for the authors.", "people"),
        Item("9", "Predictors: definition, timing, blinding", "partly",
             f"{facts['predictors']} Measurement is automatic and does not read labels; the time "
             "between image and outcome is for the authors.", "methods"),
        Item("10", "Sample size", "partly",
             f"{facts['people']} Why this number, and whether it is enough, is for the authors.",
             "summary"),
        Item("11", "Missing data", "here", facts["missing"], "people"),
        Item("12a–d", "Use of the data, handling of predictors, model building", here,
             "Folds keep all scans of a person together; everything learnt is learnt inside the "
             "fold." if fitted else "No model was built.", "models"),
        Item("12e", "Differences between sites", here, "Models are evaluated within site and on a "
             "site left out." if fitted else "No model was evaluated.", "models"),
        Item("12f–g", "Measures of performance, updating", partly,
             "AUC with intervals, Brier score, calibration and decision curve; no model was "
             "updated." if fitted else "No model was evaluated.", "models"),
        Item("13", "Class imbalance", here, facts["people"], "models"),
        Item("14", "Fairness", "authors",
             "Performance by sex, age and ethnicity is to be judged by the authors; groups of this "
             "size rarely allow it."),
        Item("15", "Output of the model", here, "A probability of the positive label; no threshold "
             "is recommended." if fitted else "No model was fitted.", "models"),
        Item("16", "Differences between training and evaluation data", partly,
             "Evaluation is internal; a cohort of its own is still needed."
             if fitted else "No model was fitted.", "models"),
        Item("17", "Ethical approval", "authors", "Name the committee and the consent."),
        Item("18", "Funding, interests, protocol, registration, data, code", "partly",
             "Versions, command and configuration are given; the rest is for the authors.",
             "rerun"),
        Item("19", "Patient and public involvement", "authors", "Say what it was, or that "
             "there was none."),
        Item("20", "Participants: flow, characteristics", "here", facts["people"], "people"),
        Item("21", "Numbers used in model development", here, facts["people"], "models"),
        Item("22", "Specification of the model", partly,
             "The fitted model, where it was kept, lies in the folder fusion/model of the output."
             if fitted else "No model was fitted.", "models"),
        Item("23", "Performance with intervals, by cluster", here,
             facts["performance"] if fitted else "No model was evaluated.", "models"),
        Item("24", "Results of updating", here if fitted else "authors",
             "No model was updated." if fitted else "No model was fitted."),
        Item("25", "Interpretation, fairness in context", "authors",
             "Weigh the result against earlier studies."),
        Item("26", "Limitations", "partly",
             "What the numbers cannot show is stated in the summary.", "summary"),
        Item("27", "Usability", "authors", "Say what input is required and how poor input is "
             "handled in care."),
    ]  # fmt: skip


def tally(items: Sequence[Item]) -> dict[str, int]:
    """How many items are in each state."""
    return {state: sum(item.state == state for item in items) for state in
            ("here", "partly", "authors")}  # fmt: skip
