"""What is told beside the results of the models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from commissure.evaluation.by_group import results_by_group, results_by_site
from commissure.evaluation.comparisons import comparisons
from commissure.evaluation.conformal import conformal_results
from commissure.evaluation.curves import prediction_curves
from commissure.evaluation.decision_curve import decision_curve
from commissure.evaluation.decisions import decisions
from commissure.evaluation.learning_curve import learning_curve
from commissure.evaluation.modality_value import (
    MOST_MEMBERS,
    coalition_values,
    modality_shares,
    permutation_importance,
)
from commissure.evaluation.sample_size import sample_size_advice
from commissure.evaluation.sensitivity import (
    exclusion_sensitivity,
    missingness_patterns,
    widened_rows,
)
from commissure.evaluation.site_classifier import site_classifier
from commissure.evaluation.stability import stability
from commissure.fusion.cautions import best_baseline
from commissure.fusion.divided import DividedStudy
from commissure.fusion.fitted import FittedStudy
from commissure.study.design import CLINICAL


def secondary_results(fitted: FittedStudy, say: Callable[[str], None]) -> dict[str, Any]:
    """Entries of metrics.json beside those of the models.

    Parameters
    ----------
    fitted
        The study with its fitted models.
    say
        Takes a line on how far the work is.
    """
    study, main, scores = fitted.study, fitted.main, fitted.scores
    baseline = best_baseline(fitted)
    drawn = [main.name] if baseline in (None, main.name) else [main.name, str(baseline)]
    within = fitted.main_auc
    question = study.question
    deciding = [
        spec.name for spec in fitted.specs if spec.kind == "fusion" or spec.name == main.name
    ]
    results: dict[str, Any] = {
        "best_baseline": baseline,
        "by_site": results_by_site(study, fitted.main_repeats, fitted.main_left_out, fitted.null),
        "by_group": results_by_group(study, fitted.main_repeats, fitted.null),
        "comparisons": comparisons(study, main.name, scores),
        "curves": prediction_curves(study, scores, drawn),
        "decision_curve": decision_curve(study, scores, main.name),
        "decisions": decisions(study, scores, deciding),
        "conformal": conformal_results(study, scores, deciding),
        "missingness_patterns": missingness_patterns(study, main, fitted.main_repeats, fitted.null),
        "site_classifier": site_classifier(study, main, fitted.first_repeat),
        "sample_size": sample_size_advice(within.value, question["n"], question["n_positive"]),
    }
    if not study.settings.secondary_analyses:
        return results
    say("fusion: what each modality adds")
    results["modalities"] = fitted.result_of(modality_value)
    say("fusion: learning curve and stability")
    results["stability"] = fitted.result_of(marker_stability)
    results["learning_curve"] = fitted.result_of(sizes_of_training)
    widening = 1.0 if fitted.null is None else fitted.null.widening(1)
    results["exclusion_sensitivity"] = widened_rows(
        fitted.result_of(under_other_exclusions), widening
    )
    return results


def modality_value(divided: DividedStudy) -> list[dict[str, Any]]:
    """Shares of the modalities and of the clinical model, and what shuffling each costs."""
    study, main, folds = divided.study, divided.main, divided.first_repeat
    members = list(main.blocks)
    if CLINICAL in {spec.name for spec in divided.specs} - {block.name for block in members}:
        members.insert(0, study.design.blocks[CLINICAL])
    if not 2 <= len(members) <= MOST_MEMBERS:
        return []
    rows = modality_shares(coalition_values(study, main, members, folds))
    lost = permutation_importance(study, main, folds)
    return [{**row, "permutation_importance": lost.get(row["name"])} for row in rows]


def marker_stability(divided: DividedStudy) -> dict[str, Any] | None:
    """How stable it is which markers the main model follows."""
    return stability(divided.study, divided.main)


def sizes_of_training(divided: DividedStudy) -> dict[str, Any]:
    """The main result by the number of training people."""
    return learning_curve(divided.study, divided.main, divided.first_repeat)


def under_other_exclusions(divided: DividedStudy) -> list[dict[str, Any]]:
    """The main result under other exclusions and without each site, its intervals DeLong's."""
    return exclusion_sensitivity(divided.study, divided.main, divided.first_repeat)
