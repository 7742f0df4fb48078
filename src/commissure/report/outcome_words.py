"""How a reader is told of an outcome that is no pair of labels: one entry for each kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from commissure.report import text
from commissure.report.metrics import with_interval
from commissure.report.plots import outcome_figures


class OutcomeWords(ABC):
    """Words and figures for one kind of outcome.

    Attributes
    ----------
    key, name, chance
        Stem of the measure's keys in metrics.json, what it is called, and its value by chance.
    predicted
        What the predictions are called.
    limits
        Ends of the axis on which it is drawn.
    columns
        Headings of the table of models beside those of the measure, and the keys in metrics.json.
    explanation, note
        What the measure is, above the table of models, and what the other columns are, below it.
    """

    key: str
    name: str
    chance: float
    predicted: str = "probabilities"
    limits: tuple[float, float]
    columns: Sequence[tuple[str, str]]
    explanation: str
    note: str

    @abstractmethod
    def asked(self, question: Mapping[str, Any], means: str) -> str:
        """The question in one sentence."""

    @abstractmethod
    def reached(self, question: Mapping[str, Any], model: Mapping[str, Any]) -> str:
        """What the main model reaches within site, without its name and a full stop."""

    @abstractmethod
    def people(self, question: Mapping[str, Any]) -> str:
        """Of how many people the result is."""

    @abstractmethod
    def figures(
        self, question: Mapping[str, Any], curves: Mapping[str, Any], model: str
    ) -> list[tuple[str, str]]:
        """Captions and figures of the main model."""

    def by_site(self, site: Mapping[str, Any]) -> str:
        """The people of a site."""
        return str(site["n"])


class ContinuousWords(OutcomeWords):
    """A number."""

    key, name, chance, limits = "r", "r", 0.0, (-1.0, 1.0)
    predicted = "values"
    columns = (
        ("R² within site", "r2_within_site"), ("Error (MAE)", "mae"),
        ("of the mean", "mae_mean"),
        ("Slope", "calibration_slope"),
    )  # fmt: skip
    explanation = (
        "The main figure is r within site: the correlation of predicted and measured values among "
        "people of the same site whom one fitted model scored, who were not in its training. What "
        "sites and covariates (as severity before treatment) say is taken out on both sides."
    )
    note = (
        "R² within site: the share of the variance about the site’s mean that predictions take "
        "away; below 0 they add to it. The error is the mean absolute difference, beside that of "
        "predicting the mean of the training people. Slope: measured on "
        "predicted values; 1 is right, below 1 predictions are too far apart."
    )

    def asked(self, question: Mapping[str, Any], means: str) -> str:
        """Whether the number can be predicted."""
        return (
            f"Can {_outcome(question)} be predicted, by {means}, in people the model has not seen?"
        )

    def reached(self, question: Mapping[str, Any], model: Mapping[str, Any]) -> str:
        """Correlation and error."""
        unit = f" {question['unit']}" if question.get("unit") else ""
        return (
            f"predicts {_outcome(question)} with a correlation of "
            f"{with_interval(model.get('r_within_site'))} with what was measured; 0 is chance. It "
            f"is wrong by {text.number(model.get('mae'))}{unit} on average, the training mean by "
            f"{text.number(model.get('mae_mean'))}"
        )

    def people(self, question: Mapping[str, Any]) -> str:
        """Number, mean and SD."""
        unit = f" {question['unit']}" if question.get("unit") else ""
        return (
            f"{question['n']} people, mean {text.number(question['mean'])}{unit}, SD "
            f"{text.number(question['sd'])}"
        )

    def figures(
        self, question: Mapping[str, Any], curves: Mapping[str, Any], model: str
    ) -> list[tuple[str, str]]:
        """Measured against predicted values."""
        unit = f" ({question['unit']})" if question.get("unit") else ""
        return [
            (
                f"Measured against predicted values of {model}: points are people, each with the "
                "mean of the predictions made while left out of training; squares are the means of "
                "five groups of equal size with one standard deviation; on the dashed line "
                "predictions are right. Sites are pooled.",
                outcome_figures.scatter_figure(
                    curves["points"], curves["groups"], unit=unit, key="scatter",
                    description=f"Measured against predicted {_outcome(question)} of "
                    f"{curves['n']} people",
                ),
            )
        ]  # fmt: skip


class ClassesWords(OutcomeWords):
    """Several classes."""

    key, name, chance, limits = "hand_till", "Hand-Till AUC", 0.5, (0.0, 1.0)
    columns = (
        ("Log loss", "log_loss"), ("of the shares", "log_loss_shares"), ("Brier", "brier"),
        ("Balanced accuracy", "balanced_accuracy"),
    )  # fmt: skip
    explanation = (
        "The main figure is Hand and Till’s AUC within site: for every pair of classes, how often "
        "two people of the same site are ranked rightly, averaged over the pairs. How many people "
        "a class has does not enter; 0.50 is chance."
    )
    note = (
        "Log loss and Brier score: errors of the probabilities, 0 is best; beside the log loss "
        "that of predicting the share of each class. Balanced accuracy: mean share of each class "
        "that gets its own highest probability; chance is one over the number of classes."
    )

    def asked(self, question: Mapping[str, Any], means: str) -> str:
        """Whether the classes can be told apart."""
        names = text.listed(question["classes"])
        return f"Can {names} be told apart, by {means}, in people the model has not seen?"

    def reached(self, question: Mapping[str, Any], model: Mapping[str, Any]) -> str:
        """The mean over the pairs, and each pair."""
        pairs = text.listed(
            f"{pair['first']} and {pair['second']} {with_interval(pair['auc_within_site'])}"
            for pair in model.get("pairs") or []
        )
        return (
            "tells the classes apart with a mean pairwise AUC (Hand and Till) of "
            f"{with_interval(model.get('hand_till_within_site'))}; 0.50 is chance. The pairs: "
            f"{pairs}"
        )

    def people(self, question: Mapping[str, Any]) -> str:
        """People of each class."""
        return text.listed(f"{n} {name}" for name, n in question["n_by_class"].items())

    def figures(
        self, question: Mapping[str, Any], curves: Mapping[str, Any], model: str
    ) -> list[tuple[str, str]]:
        """Calibration of every class, and who is taken for whom."""
        return [
            (
                f"Calibration of {model}: observed share against predicted probability of each "
                "class, in five groups of equal size.",
                outcome_figures.class_calibration_figure(
                    curves["calibration"], key="class-calibration",
                    description=f"Calibration of each class in {curves['n']} people",
                ),
            ),
            (
                f"What {model} takes people for: rows are the true classes, columns the most "
                "probable ones, numbers are people.",
                outcome_figures.confusion_figure(
                    curves["classes"], curves["confusion"], key="confusion",
                    description="True and most probable classes: " + "; ".join(
                        f"{name} as " + text.listed(
                            f"{said} {n}" for said, n in zip(curves["classes"], row, strict=True)
                        )
                        for name, row in zip(curves["classes"], curves["confusion"], strict=True)
                    ),
                ),
            ),
        ]  # fmt: skip

    def by_site(self, site: Mapping[str, Any]) -> str:
        """People of each class."""
        return text.listed(f"{n} {name}" for name, n in site.items() if name != "n")


class TimeWords(OutcomeWords):
    """A time to an event."""

    key, name, chance, limits = "c_index", "C-index", 0.5, (0.0, 1.0)
    predicted = "risks"
    columns = (("Slope", "calibration_slope"), ("Events", "n_events"))
    explanation = (
        "The main figure is Harrell’s C-index within site: how often, of two people of the same "
        "site, the one whose event came first had the higher predicted risk, in people the model "
        "was not trained on. Pairs of whom it is not known who was first are left out; 0.50 is "
        "chance."
    )
    note = (
        "Slope: that of a Cox regression of the outcome on the predicted log hazard, sites and "
        "folds as strata; 1 is right, below 1 the predicted risks are too far apart."
    )

    def asked(self, question: Mapping[str, Any], means: str) -> str:
        """Whether the order of events can be predicted."""
        return (
            f"Can it be predicted in whom {_outcome(question)} comes early, by {means}, in people "
            "the model has not seen?"
        )

    def reached(self, question: Mapping[str, Any], model: Mapping[str, Any]) -> str:
        """The C-index."""
        return (
            "gives of two people the higher risk to the one whose event came first with a "
            f"probability (C-index) of {with_interval(model.get('c_index_within_site'))}; 0.50 is "
            f"chance. It rests on {model.get('n_events')} events"
        )

    def people(self, question: Mapping[str, Any]) -> str:
        """People, events and how long they were observed."""
        return (
            f"{question['n']} people with {question['n_events']} events, observed for a median of "
            f"{text.number(question['median_observation'])} {question['unit']}"
        )

    def figures(
        self, question: Mapping[str, Any], curves: Mapping[str, Any], model: str
    ) -> list[tuple[str, str]]:
        """Kaplan and Meier's curves of thirds."""
        return [
            (
                "Share without the event (Kaplan and Meier) in thirds by the risk that "
                f"{model} predicted within site, while people were left out of training.",
                outcome_figures.survival_figure(
                    curves["thirds"], unit=question["unit"], key="survival",
                    description="Share without the event by predicted risk: " + "; ".join(
                        f"{third['risk']} risk, {third['n_events']} events of {third['n']} people, "
                        f"{text.fixed(third['free'][-1])} at the end"
                        for third in curves["thirds"]
                    ),
                ),
            )
        ]  # fmt: skip

    def by_site(self, site: Mapping[str, Any]) -> str:
        """People and events."""
        return f"{site['n']} ({site['n_events']} events)"


OUTCOME_WORDS: Mapping[str, OutcomeWords] = {
    "continuous": ContinuousWords(),
    "classes": ClassesWords(),
    "time_to_event": TimeWords(),
}


def outcome_words(metrics: Mapping[str, Any]) -> OutcomeWords | None:
    """The words for the outcome of a run; None where two labels are told apart."""
    return OUTCOME_WORDS.get(metrics.get("kind") or "binary")


def _outcome(question: Mapping[str, Any]) -> str:
    return str(question.get("outcome") or "the outcome").replace("_", " ")
