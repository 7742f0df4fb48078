"""Sentences without which a reader would take the numbers for more than they are."""

from __future__ import annotations

import math

import numpy as np

from commissure.evaluation.auc import auc_of_chance
from commissure.evaluation.modality_value import MOST_MEMBERS
from commissure.evaluation.permutation import REDUCTION
from commissure.evaluation.sample_size import MODEST_AUC, MODEST_PREDICTORS, people_needed
from commissure.fusion.fitted import FittedStudy
from commissure.study.design import CLINICAL

#: A half width of the interval above which no claim is made.
WIDE = 0.10
#: Pooled AUC of the site alone from which pooled AUCs mean little.
UNEVEN = 0.6


def reading_cautions(fitted: FittedStudy) -> list[str]:
    """What a reader of the primary result must know."""
    return [
        *_size(fitted),
        *_chance(fitted),
        *_uneven_sites(fitted),
        *_rival(fitted),
        *_choice(fitted),
        *_many_modalities(fitted),
    ]


def best_baseline(fitted: FittedStudy) -> str | None:
    """The model without an image that has the highest AUC within site."""
    values = [
        (fitted.aucs[spec.name]["within"].value, spec.name)
        for spec in fitted.specs
        if spec.kind == "baseline"
    ]
    known = [(value, name) for value, name in values if math.isfinite(value)]
    return max(known)[1] if known else None


def _size(fitted: FittedStudy) -> list[str]:
    """Whether the people are enough for a claim."""
    cautions = []
    name = fitted.main.name
    main = fitted.aucs[name]["within"]
    n, n_positive = fitted.study.question["n"], fitted.study.question["n_positive"]
    half = (main.ci_high - main.ci_low) / 2
    if math.isfinite(half) and half > WIDE:
        cautions.append(
            f"{n} people are too few for a claim: the 95 % interval of the {name} model's AUC "
            f"within site reaches {half:.2f} to either side, from {main.ci_low:.2f} to "
            f"{main.ci_high:.2f}."
        )
    needed = people_needed(MODEST_AUC, n_positive / n, MODEST_PREDICTORS)["needed"]
    if n < needed:
        cautions.append(
            f"A model of only {MODEST_PREDICTORS} predictors with an AUC of {MODEST_AUC:.2f} asks "
            f"for about {needed} people (Riley et al. 2019); here are {n}."
        )
    return cautions


def _chance(fitted: FittedStudy) -> list[str]:
    """What labels that mean nothing give."""
    null = fitted.null
    if null is None or not len(null.permuted):
        limit = auc_of_chance(
            [
                (site["n_positive"], site["n"] - site["n_positive"])
                for site in fitted.study.question["sites"].values()
            ]
        )
        return [
            "The labels were not permuted. With so many people a model that knows nothing exceeds "
            f"an AUC within site of {limit:.2f} in one of twenty studies."
        ]
    if not len(null.known):
        return [
            "Under no permuted labels could anybody be compared: nothing is known of chance, and "
            "intervals are as DeLong's formula gives them."
        ]
    return [
        f"If the labels meant nothing, the {fitted.main.name} model's AUC within site would still "
        f"differ from 0.50 by chance, by {null.known.std():.2f} (standard deviation), and exceed "
        f"{np.quantile(null.known, 0.95):.2f} in one of twenty studies.",
        f"{REDUCTION}.",
    ]


def _uneven_sites(fitted: FittedStudy) -> list[str]:
    """Whether the site tells the labels apart."""
    site = fitted.aucs.get("site", {}).get("pooled")
    if site is None or not site.value > UNEVEN:
        return []
    return [
        f"The site alone reaches a pooled AUC of {site.value:.2f}, because the labels are "
        "spread unevenly over the sites: pooled AUCs mean little here, read those within site."
    ]


def _rival(fitted: FittedStudy) -> list[str]:
    """Whether a model without an image does as well."""
    main, rival = fitted.main.name, best_baseline(fitted)
    value = fitted.aucs[main]["within"].value
    best = fitted.aucs[rival]["within"].value if rival else 0.0
    if not best >= value:
        return []
    return [
        f"The {rival or ''} model, which sees no image, does as well within site ({best:.2f}) as "
        f"the {main} model ({value:.2f})."
    ]


def _choice(fitted: FittedStudy) -> list[str]:
    """By what the main model was chosen."""
    main, declared = fitted.main.name, fitted.study.settings.primary
    images = sum(spec.kind != "baseline" for spec in fitted.specs)
    if main != declared:
        return [
            f"The result is that of the {main} model: {declared}, which was declared, was not "
            "fitted."
        ]
    if images > 1:
        return [
            f"The result is that of the {main} model, declared beforehand; the best of {images} "
            "models is better by chance alone."
        ]
    return []


def _many_modalities(fitted: FittedStudy) -> list[str]:
    """Whether what each modality adds is left out."""
    blocks = fitted.main.blocks
    others = {spec.name for spec in fitted.specs} - {block.name for block in blocks}
    members = len(blocks) + (CLINICAL in others)
    if members <= MOST_MEMBERS or not fitted.study.settings.secondary_analyses:
        return []
    return [
        f"What each modality adds is not told: with {members} of them, the clinical model counted, "
        f"there are {2**members} combinations to fit, and beyond {MOST_MEMBERS} none are fitted."
    ]
