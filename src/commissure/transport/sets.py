"""Conformal sets of new people: what their level promises, and what it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from commissure.evaluation.conformal import typicality, worst_site
from commissure.evaluation.decisions import with_wilson
from commissure.evaluation.held_out import HeldOut
from commissure.study.design import SITE
from commissure.transport.kinds import JOINED, NOTHING, PREDICTION_KINDS
from commissure.transport.predict import SCORED
from commissure.transport.stored_model import StoredModel


def set_record(
    stored: StoredModel, scored: pd.DataFrame, held: HeldOut | None
) -> dict[str, Any] | None:
    """How large the sets of new people are, and how often they hold the outcome where it is known.

    Returns
    -------
    dict or None
        ``level``; ``n`` (people with a set); ``training`` (what was measured of the training
        people); ``new_sites`` (people at sites that were not in training); of labels and classes
        the shares of people with ``one``, ``several`` and ``no`` outcome in their set, of a number
        ``half_width``; ``coverage`` and ``sites`` (``site n coverage``) where outcomes are known,
        else None. None where the model gives no sets.
    """
    conformal = stored.about.get("conformal")
    if not conformal:
        return None
    here = (scored["status"] == SCORED).to_numpy()
    known = {column.marker for column in stored.columns if column.modality == SITE}
    record: dict[str, Any] = {
        "level": conformal["level"],
        "n": int(here.sum()),
        "training": conformal["training"],
        "new_sites": int((here & ~scored["site"].isin(known).to_numpy()).sum()),
        "coverage": None,
        "sites": [],
    }
    if "set" in scored:
        size = np.array([_size(cell) for cell in scored.loc[here, "set"]])
        record |= {
            name: float(mask.mean()) if len(size) else None
            for name, mask in (("one", size == 1), ("several", size > 1), ("no", size == 0))
        }
    else:
        limit = conformal["limits"][0]
        record["half_width"] = None if limit is None else -limit
    if held is not None and len(held.labels):
        hit = _holds(stored, held, conformal["limits"])
        record["coverage"] = with_wilson(float(hit.mean()), len(hit))
        record["sites"] = [
            {"site": str(site), "n": int((held.sites == site).sum()),
             "coverage": with_wilson(float(hit[held.sites == site].mean()),
                                     int((held.sites == site).sum()))}
            for site in np.unique(held.sites)
        ]  # fmt: skip
    return record


def sets_in_words(stored: StoredModel, record: Mapping[str, Any] | None) -> list[str]:
    """What the level of the sets means here, for the reader."""
    if record is None or not record["n"]:
        return []
    training, level = record["training"], record["level"]
    what = "interval" if stored.kind == "continuous" else "set"
    measured = [f"{_percent(training['coverage'])} of the training people when they were left out"]
    worst = worst_site(training["sites"], "coverage")
    if worst is not None and len(training["sites"]) > 1:
        measured.append(f"{_percent(worst['coverage'])} at the site with the fewest, "
                        f"{worst['site']} ({worst['n']} people)")  # fmt: skip
    if training.get("coverage_left_out"):
        measured.append(
            f"{_percent(training['coverage_left_out'])} where the whole site was left out"
        )
    sentences = [
        f"Each {what} is made to hold the outcome of {100 * level:g} % of people drawn as the "
        f"training people were, on average over them all. It held it in {', '.join(measured)}."
    ]
    if record["new_sites"]:
        sentences.append(
            f"{record['new_sites']} people are at sites that were not in training: for them the "
            f"level is no promise, and the last of these shares is the one to expect."
            if training.get("coverage_left_out")
            else f"{record['new_sites']} people are at sites that were not in training: for them "
            "the level is no promise, and how often the sets hold there was never measured."
        )
    if record["coverage"] is not None:
        sentences.append(
            f"Here the {what} holds the known outcome in {_percent(record['coverage'])} of "
            f"{sum(site['n'] for site in record['sites'])} people."
        )
    return sentences


def _holds(stored: StoredModel, held: HeldOut, limits: list[float | None]) -> np.ndarray:
    """1 where a set holds the person's outcome."""
    kind = PREDICTION_KINDS[stored.kind].kind
    typical = typicality(kind, held.labels, held.logits)
    assert typical is not None
    true = typical.values[np.arange(len(typical.true)), typical.true]
    limit = np.array([-np.inf if x is None else x for x in limits])[typical.true]
    return (true >= limit).astype(float)


def _size(cell: Any) -> int:
    return 0 if cell in (None, NOTHING) else len(str(cell).split(JOINED))


def _percent(share: Mapping[str, float]) -> str:
    return (
        f"{100 * share['value']:.0f} % ({100 * share['ci_low']:.0f} to "
        f"{100 * share['ci_high']:.0f})"
    )
