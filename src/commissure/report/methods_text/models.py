"""Sentences on the label, the models, and how they were tested."""

from __future__ import annotations

from typing import Any

from commissure.report.methods_text.record import RunRecord
from commissure.report.metrics import fitted, main_model
from commissure.report.text import sentence

_KINDS = {
    "binary": "a label of two values", "continuous": "a number", "multiclass": "several classes",
    "survival": "the time to an event",
}  # fmt: skip


def fusion(run: RunRecord) -> list[str]:
    """How the models were asked, fitted and tested; or why none was."""
    metrics = run.results.metrics
    question = metrics.get("question") or {}
    if not metrics:
        return ["No model was asked for."]
    sentences = label(run)
    if not fitted(metrics):
        reason = metrics.get("reason", "see the report")
        return [*sentences, sentence(f"No model was fitted: {reason}")]
    models = metrics["models"]
    main = models[main_model(metrics)]
    outer, repeats = run.number("fusion", "outer_folds"), run.number("fusion", "repeats")
    sentences.append(
        f"The declared model ({main_model(metrics)}: {_small(main['description'])}) and "
        f"{len(models) - 1} others were fitted on {main['n']} people (scikit-learn "
        f"{run.version('scikit-learn')}) [@pedregosa2011]. They were tested by {outer}-fold "
        f"cross-validation, repeated {repeats} times with seed {run.number('fusion', 'seed')}. All "
        "scans of a person, and families where they are declared, stayed in one fold. Penalties "
        f"were chosen inside training data by {run.number('fusion', 'inner_folds')} inner folds, "
        "and whatever is learnt from people was learnt there [@varoquaux2017]."
    )
    if len(question.get("sites") or {}) > 1:
        sentences.append("Sites were also left out in turn.")
    if metrics.get("kind", "binary") == "binary":
        sentences.append(
            "The area under the ROC curve compares people of one site; its interval is DeLong’s "
            "[@delong1988], widened where permutations scatter more. Models were compared by the "
            "corrected resampled t-test [@nadeau2003]. The number of people that a model of such "
            "an area asks for follows Riley and colleagues [@riley2019]."
        )
    sentences += _adjustments(run)
    permutations = run.option("fusion", "permutations")
    if permutations:
        sentences.append(f"Labels were permuted {permutations} times within site.")
    checks = run.results.falsification.get("checks") or []
    if checks:
        failed = [check["name"] for check in checks if check.get("passed") is False]
        undecided = sum(check.get("passed") is None for check in checks)
        sentences.append(
            f"{len(checks)} attempts to prove the result wrong were made; "
            + (f"these failed: {', '.join(failed)}" if failed else "none failed")
            + (f", and {undecided} could not be decided." if undecided else ".")
        )
    return sentences


def label(run: RunRecord) -> list[str]:
    """How the label or outcome was determined, as far as the configuration says it."""
    metrics = run.results.metrics
    kind = str(metrics.get("kind", "binary"))
    source = (run.option("fusion", "label") or {}).get("source")
    if kind != "binary":
        return [f"The outcome is {_KINDS.get(kind, kind)}."]
    if source == "treatments":
        return [_trrip(run.option("fusion", "trrip") or {})]
    if source == "column":
        column = (run.option("fusion", "label") or {}).get("column")
        return [
            f"The label was read from the column {column} of the table of people. TO THE AUTHORS: "
            "say how it was determined, and by whom."
        ]
    return [f"The label follows the rule “{source}” of Commissure."] if source else []


def _trrip(rule: dict[str, Any]) -> str:
    def number(name: str, times: float = 1) -> str:
        value = rule.get(name)
        return f"{times * value:g}" if isinstance(value, int | float) else "(not recorded)"

    return (
        "Treatment resistance was labelled from the treatment history by the minimum criteria of "
        f"TRRIP [@howes2017]: {number('min_failed_drugs')} failed antipsychotics at "
        f"{number('min_cpz_eq_mg')} mg chlorpromazine equivalents or more for "
        f"{number('min_weeks_at_dose')} weeks or more, with less than "
        f"{number('min_reduction', 100)} % reduction of the {str(rule.get('scale', '')).upper()} "
        f"and {number('min_adherence', 100)} % of doses taken."
    )


def _adjustments(run: RunRecord) -> list[str]:
    sentences = []
    if run.option("fusion", "head_size") == "residual":
        sentences.append("Volumes were freed of head size by a slope learnt in training people.")
    if run.option("fusion", "combat", "none") != "none":
        sentences.append(
            "Differences between sites were harmonised by ComBat, fitted inside the fold "
            "[@johnson2007]."
        )
    removed = run.option("fusion", "remove_confounds") or []
    if removed:
        sentences.append(f"{', '.join(removed)} were regressed out of the markers in the fold.")
    if "vulnerability" in (run.results.metrics.get("models") or {}):
        sentences.append(
            "The vulnerability index is the correlation of a person’s deviations with the pattern "
            "of a disorder in ENIGMA’s meta-analyses [@kochunov2022]."
        )
    return sentences


def _small(text: str) -> str:
    """Within a sentence: a word begins small, T1-weighted and MR stay as they are."""
    small = text[:1].lower() if text[1:2].islower() else text[:1]
    return small + text[1:].rstrip(".")
