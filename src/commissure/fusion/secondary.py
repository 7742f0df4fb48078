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
from commissure.evaluation.sensitivity import exclusion_sensitivity, missingness_patterns
from commissure.evaluation.site_classifier import site_classifier
from commissure.evaluation.stability import stability
from commissure.fusion.cautions import best_baseline
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
    results["modalities"] = _modality_value(fitted)
    say("fusion: learning curve and stability")
    results["stability"] = stability(study, main)
    results["learning_curve"] = learning_curve(study, main, fitted.first_repeat)
    widening = 1.0 if fitted.null is None else fitted.null.widening(1)
    results["exclusion_sensitivity"] = exclusion_sensitivity(
        study, main, fitted.first_repeat, widening
    )
    return results


def _modality_value(fitted: FittedStudy) -> list[dict[str, Any]]:
    """Shares of the modalities and of the clinical model, and what shuffling each costs."""
    study, main, folds = fitted.study, fitted.main, fitted.first_repeat
    members = list(main.blocks)
    if CLINICAL in {spec.name for spec in fitted.specs}:
        members.insert(0, study.design.blocks[CLINICAL])
    if not 2 <= len(members) <= MOST_MEMBERS:
        return []
    rows = modality_shares(coalition_values(study, main, members, folds))
    lost = permutation_importance(study, main, folds)
    return [{**row, "permutation_importance": lost.get(row["name"])} for row in rows]
