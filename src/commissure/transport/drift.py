"""What happens to a stored model elsewhere: drift, old against new people, calibration there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import ttest_ind_from_stats

from commissure.evaluation.held_out import HeldOut
from commissure.models.preparation import has_block
from commissure.study.design import SITE, Block
from commissure.study.outcomes.kind import carries_outcome
from commissure.study.tables import ONE_SITE, UNKNOWN_SITE
from commissure.transport.applicability_domain import two_sample_auc
from commissure.transport.kinds import PREDICTION_KINDS
from commissure.transport.predict import ABSTAINED, SCORED, TRAINING
from commissure.transport.sets import set_record, sets_in_words
from commissure.transport.stored_model import StoredModel

#: Standardised difference from which a marker has drifted, if it is no chance event either.
DRIFT = 0.5
#: People of each label without whom nothing is claimed of the new place.
FEW = 10


def drift(stored: StoredModel, values: np.ndarray) -> pd.DataFrame:
    """How each marker differs from the training people.

    Returns
    -------
    pandas.DataFrame
        ``modality region marker n mean_training mean_new difference p outside drifted``;
        ``difference`` in training standard deviations, ``p`` of Welch's test, ``outside`` the share
        beyond the training people's 5 to 95 % (0.1 is expected). A marker has drifted where the
        difference exceeds :data:`DRIFT` and ``p`` times the number of markers is below 0.05.
    """
    rows = []
    for block in stored.model.blocks_:
        domain = stored.domain[block.name]
        for index, number in enumerate(block.columns):
            column = stored.columns[number]
            new = values[np.isfinite(values[:, number]), number]
            mean, sd, n = domain["mean"][index], domain["sd"][index], domain["counts"][index]
            if sd <= 0 or n < 2:
                continue
            gap, p, outside = math.nan, math.nan, math.nan
            if len(new):
                low, high = domain["low"][index], domain["high"][index]
                gap = (new.mean() - mean) / sd
                outside = float(((new < low) | (new > high)).mean())
            if len(new) > 2:
                spread = max(float(new.std(ddof=1)), 1e-12 * sd)
                p = float(
                    ttest_ind_from_stats(
                        mean, sd, n, new.mean(), spread, len(new), equal_var=False
                    ).pvalue
                )
            rows.append(
                (
                    column.modality, column.region, column.marker, len(new), mean,
                    new.mean() if len(new) else math.nan, gap, p, outside,
                )
            )  # fmt: skip
    table = pd.DataFrame(
        rows,
        columns=["modality", "region", "marker", "n", "mean_training", "mean_new", "difference",
                 "p", "outside"],
    )  # fmt: skip
    sure = table["p"] * max(1, int(table["p"].notna().sum())) < 0.05
    return table.assign(drifted=(table["difference"].abs() > DRIFT) & sure)


def transport_report(
    stored: StoredModel,
    values: np.ndarray,
    scored: pd.DataFrame,
    drifted: pd.DataFrame,
    labels: np.ndarray | None,
    seed: int = 0,
) -> dict[str, Any]:
    """What a reader must know before using the scores.

    The model's own training people count for nothing but ``n`` and ``n_training``.

    Parameters
    ----------
    stored, values, scored, drifted
        The model, the people and what was found of them.
    labels
        Outcomes as their kind holds them, shape (people,); None where there are none.
    seed
        Seed of the drawn training people.
    """
    new = new_people(scored)
    blocks = {
        block.name: _block_record(stored, block, values[new & has_block(values, block)], seed)
        for block in stored.model.blocks_
    }
    held = None if labels is None else _held(stored, values, scored, labels)
    performance = None if held is None else _performance(stored, held)
    sets = set_record(stored, scored, held)
    n_training = int((~new).sum())
    return {
        "model": dict(stored.about),
        "n": len(scored),
        "n_training": n_training,
        "n_scored": int((scored["status"] == SCORED).sum()),
        "n_abstained": int((scored["status"] == ABSTAINED).sum()),
        "n_drifted": int(drifted["drifted"].sum()),
        "n_markers": len(drifted),
        "blocks": blocks,
        "cautions": [
            *_on_training_people(stored, n_training, len(scored)),
            *_gaps_and_new_sites(stored, scored[new], blocks),
            *_on_unrecognisable_people(stored),
            *_on_few_labels(stored, performance),
            *sets_in_words(stored, sets),
        ],
        "performance": performance,
        "conformal": sets,
    }


def _block_record(
    stored: StoredModel, block: Block, values: np.ndarray, seed: int
) -> dict[str, Any]:
    """What the new people who have a block are like beside the training people."""
    domain = stored.domain[block.name]
    markers = values[:, list(block.columns)]
    return {
        "n": len(markers),
        "markers": len(block.columns),
        "markers_present": int(np.isfinite(markers).any(axis=0).sum()) if len(markers) else 0,
        "two_sample_auc": two_sample_auc(domain, markers, seed),
        "two_sample_auc_training": domain["two_sample_auc"],
    }


def _on_training_people(stored: StoredModel, n_training: int, n: int) -> list[str]:
    if not n_training:
        return []
    return [
        f"{n_training} of {n} people are training people of this model: they are not scored, and "
        f"drift, calibration and AUC stand on the other {n - n_training}."
    ]


def _on_unrecognisable_people(stored: StoredModel) -> list[str]:
    count = stored.about["n_trained"] - stored.about["n_recognisable"]
    if not count:
        return []
    return [
        f"{count} training people of the model have too few markers to be recognised: were they "
        "here, they would be scored like new ones."
    ]


def _on_few_labels(stored: StoredModel, performance: Mapping[str, Any] | None) -> list[str]:
    if performance is None:
        return []
    n = performance["n"]
    if stored.kind != "binary":
        return [
            f"The outcomes of {n} people are too few for a claim on how the model does here."
        ] * (0 < n < 2 * FEW)
    n_positive = performance["n_positive"]
    if not 0 < min(n_positive, n - n_positive) < FEW:
        return []
    return [
        f"The labels of {n} people ({n_positive} {stored.about['positive']}) are too few for a "
        "claim on how the model does here."
    ]


def new_people(scored: pd.DataFrame) -> np.ndarray:
    """Who is none of the training people, shape (people,)."""
    return scored["status"].to_numpy(str) != TRAINING


def _gaps_and_new_sites(
    stored: StoredModel, scored: pd.DataFrame, blocks: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """What the new people lack, and sites that the model does not know."""
    if not len(scored):
        return []
    cautions = [
        f"{name}: {block['markers_present']} of {block['markers']} markers are there; the missing "
        "ones count as the training median."
        for name, block in blocks.items()
        if 0 < block["markers_present"] < block["markers"]
    ]
    cautions += [f"{name}: nobody has it." for name, block in blocks.items() if not block["n"]]
    known = {c.marker for c in stored.columns if c.modality == SITE}
    policy = (
        "their markers are not harmonised"
        if any(block.sites for block in stored.model.blocks_)
        else "the model does not use the site"
    )
    without_site = scored["site"].isin({ONE_SITE, UNKNOWN_SITE} - known)
    if without_site.any():
        cautions.append(f"{int(without_site.sum())} people have no site: {policy}.")
    new_sites = sorted(set(scored.loc[~without_site, "site"]) - known)
    if new_sites:
        cautions.append(f"The sites {', '.join(new_sites)} were not in training: {policy}.")
    return cautions


def _held(
    stored: StoredModel, values: np.ndarray, scored: pd.DataFrame, labels: np.ndarray
) -> HeldOut:
    """Outcomes and scores of the people who have both."""
    rows = (scored["status"] == SCORED).to_numpy() & carries_outcome(labels)
    covariates = values[rows][:, list(stored.covariates)] if stored.covariates else None
    return HeldOut(
        labels[rows],
        scored["site"].to_numpy(str)[rows],
        np.full(int(rows.sum()), "", dtype="U1"),
        stored.logits(values)[rows],
        covariates,
    )


def _performance(stored: StoredModel, held: HeldOut) -> dict[str, Any]:
    if not len(held.labels):
        reason = "nobody who is scored has one"
        return {"n": 0, **({"n_positive": 0} if stored.kind == "binary" else {}), "reason": reason}
    return PREDICTION_KINDS[stored.kind].performance(held, held.sites)
