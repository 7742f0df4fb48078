"""What stands beside the results of an outcome that is no pair of labels, by its measure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from commissure.evaluation.comparisons import nadeau_bengio_test
from commissure.evaluation.conformal import conformal_results
from commissure.evaluation.held_out import HeldOut, held_out
from commissure.evaluation.out_of_fold import repeats_of
from commissure.evaluation.site_classifier import site_classifier
from commissure.fusion.divided import DividedStudy
from commissure.fusion.fitted import FittedStudy
from commissure.models.registry import model_specs, primary_name
from commissure.study.outcomes.kind import without_outcome

#: A half width of the interval above which no claim is made.
WIDE = 0.10


def secondary_results(fitted: FittedStudy, say: Callable[[str], None]) -> dict[str, Any]:
    """Best baseline, comparisons, curves, sets, site in the markers, result under exclusions."""
    rival = best_baseline(fitted)
    drawn = [fitted.main.name, *([rival] if rival else [])]
    results = {
        "measure": {
            "key": fitted.measure.key,
            "name": fitted.measure.name,
            "chance": fitted.measure.chance,
        },
        "best_baseline": rival,
        "comparisons": comparisons(fitted),
        "curves": {
            name: fitted.measure.curves(fitted.study, fitted.scores[name]) for name in drawn
        },
        "conformal": conformal_results(fitted.study, fitted.scores, [fitted.main.name]),
        "site_classifier": site_classifier(fitted.study, fitted.main, fitted.first_repeat),
    }
    if fitted.study.settings.secondary_analyses:
        say("fusion: the result under each exclusion rule")
        results["exclusion_sensitivity"] = fitted.result_of(exclusion_sensitivity)
    return results


def best_baseline(fitted: FittedStudy) -> str | None:
    """The model without an image that does best within site."""
    values = [
        (fitted.aucs[spec.name]["within"].value, spec.name)
        for spec in fitted.specs
        if spec.kind == "baseline"
    ]
    known = [(value, name) for value, name in values if math.isfinite(value)]
    return max(known)[1] if known else None


def comparisons(fitted: FittedStudy) -> list[dict[str, Any]]:
    """By how much the main model exceeds each other one, on the same people and over the folds."""
    main = fitted.main_repeats
    folds = max(2, len(np.unique(main[0].fold[main[0].fold != ""])))
    rows = []
    for spec in fitted.specs:
        if spec.name == fitted.main.name:
            continue
        other = repeats_of(fitted.study, fitted.scores[spec.name])
        by_fold = [
            fitted.measure.difference([_in_fold(left, fold)], [_in_fold(right, fold)]).value
            for left, right in zip(main, other, strict=True)
            for fold in np.unique(left.fold[left.fold != ""])
        ]
        rows.append({
            "model": spec.name,
            "paired": fitted.measure.difference(main, other).record(),
            "nadeau_bengio": nadeau_bengio_test(np.array(by_fold), 1 / (folds - 1)),
        })  # fmt: skip
    return rows


def exclusion_sensitivity(divided: DividedStudy) -> list[dict[str, Any]]:
    """The main result with each exclusion rule lifted and each site left away, in one repeat."""
    study = divided.study
    variants = [("as declared", study)]
    names = sorted(study.rules["rule"].dropna().unique()) if "rule" in study.rules else []
    variants += [
        (f"without the rule {name}", study.under(study.rules[study.rules["rule"] != name]))
        for name in names
    ]
    sites = np.unique(study.design.sites[study.labelled])
    variants += [
        (f"without site {site}",
         study.with_labels(without_outcome(study.y, study.design.sites == site)))
        for site in (sites if len(sites) > 2 else ())
    ]  # fmt: skip
    rows = []
    for analysis, other in variants:
        specs, _ = model_specs(other)
        name = primary_name(specs, study.settings)
        folds = [
            replace(fold, train=fold.train[~np.isin(fold.train, _lost(study, other))])
            for fold in divided.first_repeat
        ]
        usable = [fold for fold in folds if other.kind.enough_to_train(other.y[fold.train])]
        if name is None or not usable:
            continue
        spec = next(spec for spec in specs if spec.name == name)
        held = held_out(other, spec, usable)
        estimate = divided.measure.estimate([divided.measure.statistic(held, held.cells)])
        rows.append(
            {"analysis": analysis, "n": int(other.labelled.sum()),
             f"{divided.measure.key}_within_site": estimate.record()}
        )  # fmt: skip
    return rows


def reading_cautions(fitted: FittedStudy) -> list[str]:
    """What a reader of the primary result must know."""
    measure, main, n = fitted.measure, fitted.main_auc, fitted.study.question["n"]
    cautions = []
    half = (main.ci_high - main.ci_low) / 2
    if math.isfinite(half) and half > WIDE:
        cautions.append(
            f"{n} people are too few for a claim: the 95 % interval of the {fitted.main.name} "
            f"model's {measure.name} within site reaches {half:.2f} to either side, from "
            f"{main.ci_low:.2f} to {main.ci_high:.2f}."
        )
    if fitted.null is not None and len(fitted.null.permuted):
        known = fitted.null.permuted[np.isfinite(fitted.null.permuted)]
        if len(known):
            cautions.append(
                f"If the outcomes meant nothing, the {fitted.main.name} model's {measure.name} "
                f"would still differ from {measure.chance:.2f} by chance, by {known.std():.2f} "
                f"(standard deviation), and exceed {np.quantile(known, 0.95):.2f} in one of twenty "
                "studies."
            )
    else:
        cautions.append("The outcomes were not permuted: there is no p value.")
    rival = best_baseline(fitted)
    if rival and fitted.aucs[rival]["within"].value >= main.value:
        cautions.append(
            f"The {rival} model, which sees no image, does as well within site "
            f"({fitted.aucs[rival]['within'].value:.2f}) as the {fitted.main.name} model "
            f"({main.value:.2f})."
        )
    covariates = fitted.study.question.get("covariates") or {}
    cautions += [
        f"{name.replace('_', ' ')} correlates with the outcome by {r:.2f}: its part is taken out "
        "in training and in what is compared, so that regression to the mean is no prediction."
        for name, r in covariates.items()
        if r is not None
    ]
    if fitted.main.name != fitted.study.settings.primary:
        cautions.append(
            f"The result is that of the {fitted.main.name} model: "
            f"{fitted.study.settings.primary}, which was declared, was not fitted."
        )
    return cautions


def _in_fold(held: HeldOut, fold: str) -> HeldOut:
    return replace(held, labels=without_outcome(held.labels, held.fold != fold))


def _lost(study: Any, other: Any) -> np.ndarray:
    """Rows of people who have an outcome in the study and none in the other."""
    return np.flatnonzero(study.labelled & ~other.labelled)
