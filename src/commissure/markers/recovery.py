"""How well the markers measure what is known to be true, in a simulated cohort."""

from __future__ import annotations

import numpy as np
import pandas as pd

from commissure.intraclass import icc_a1
from commissure.markers.effect_sizes import hedges_g
from commissure.markers.intervals import wilson_interval
from commissure.outputs import RECOVERY, RECOVERY_PAIRS

#: What names a value: its person, visit and marker.
_KEYS = RECOVERY_PAIRS.names[:5]

#: A group test is called positive below this p.
ALPHA = 0.05


def truth_pairs(truth: pd.DataFrame, recovered: pd.DataFrame) -> pd.DataFrame:
    """Put true and recovered values of the same person, visit, region and marker side by side.

    Parameters
    ----------
    truth, recovered
        Marker tables (columns of :data:`commissure.rows.COLUMNS`).

    Returns
    -------
    pandas.DataFrame
        The columns of :data:`commissure.outputs.RECOVERY_PAIRS`.
    """
    joined = truth[[*_KEYS, "unit", "value"]].merge(
        recovered[[*_KEYS, "value"]], on=_KEYS, suffixes=("_true", "_recovered")
    )
    joined = joined.rename(columns={"value_true": "true", "value_recovered": "recovered"})
    pairs = joined[RECOVERY_PAIRS.names].dropna(subset=["true", "recovered"])
    return pairs.sort_values(_KEYS, ignore_index=True)


def reliability(visits: pd.DataFrame) -> dict[str, float]:
    """Agreement of two measurements of the same people, whatever really changed between them.

    Parameters
    ----------
    visits
        Rows of one marker from :func:`truth_pairs`, several sessions of a person or none.

    Returns
    -------
    dict
        ``reliability``: ICC(A,1) of the first two sessions, after what the truth changed between
        them is taken away; NaN for fewer than three people. ``n_repeated``: people with two.
    """
    ordered = visits.sort_values(["participant_id", "session"])
    steady = ordered.groupby("participant_id")["true"].transform("mean")
    values = ordered["recovered"] - (ordered["true"] - steady)
    number = ordered.groupby("participant_id").cumcount()
    first, second = (
        values[number == place].set_axis(ordered.loc[number == place, "participant_id"])
        for place in (0, 1)
    )
    both = np.column_stack([first.reindex(second.index), second])
    return {"reliability": icc_a1(both), "n_repeated": len(both)}


def false_positives(
    pairs: pd.DataFrame, groups: pd.DataFrame, *, tests: int = 1000, seed: int = 0
) -> dict[str, float]:
    """How often the group test finds a difference where there is none.

    Responsive and resistant patients are relabelled at random, and one marker drawn at random is
    tested, so many times: nothing but chance separates the groups, while the values are those that
    were measured.

    Returns
    -------
    dict
        ``tests``, ``rate`` (share with p below :data:`ALPHA`) and its 95 % interval ``low``,
        ``high`` (Wilson EB, J Am Stat Assoc 22:209-212, 1927). No tests, and NaN, where no marker
        has three people in each group.
    """
    label = groups.set_index("participant_id")["label"]
    sets = []
    for _, visits in pairs.groupby(["modality", "region", "marker"]):
        part = visits.sort_values("session").drop_duplicates("participant_id")
        labels = part["participant_id"].map(label).to_numpy()
        patients = np.isin(labels, ["resistant", "responsive"])
        values, case = part["recovered"].to_numpy(float)[patients], labels[patients] == "resistant"
        if min(case.sum(), (~case).sum()) >= 3 and values.std() > 0:
            sets.append((values, case))
    if not sets:
        return {"tests": 0, "rate": float("nan"), "low": float("nan"), "high": float("nan")}
    rng = np.random.default_rng(seed)
    positive = 0
    for which in rng.integers(len(sets), size=tests):
        values, case = sets[which]
        relabelled = rng.permutation(case)
        effect = hedges_g(values[relabelled], values[~relabelled])
        positive += effect is not None and effect.p < ALPHA
    low, high = wilson_interval(positive, tests)
    return {"tests": tests, "rate": positive / tests, "low": low, "high": high}


def recovery(pairs: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Summarise how each marker recovers its truth.

    Parameters
    ----------
    pairs
        From :func:`truth_pairs`.
    groups
        ``participant_id`` and ``label`` (``control``, ``responsive``, ``resistant``), from which
        the contrast resistant minus responsive is formed in the truth and in what was recovered.

    Returns
    -------
    pandas.DataFrame
        The columns of :data:`commissure.outputs.RECOVERY`, of everybody's first visit. ``slope``
        is that of recovered on true values; ``reliability`` compares the first two visits of those
        who have two (:func:`reliability`).
    """
    label = groups.set_index("participant_id")["label"]
    rows = []
    for (modality, region, marker), visits in pairs.groupby(["modality", "region", "marker"]):
        first = visits.sort_values("session").drop_duplicates("participant_id")
        true, recovered = first["true"].to_numpy(float), first["recovered"].to_numpy(float)
        rows.append(
            {
                "modality": modality,
                "region": region,
                "marker": marker,
                "unit": first["unit"].iloc[0],
                "n": len(first),
                **_agreement(true, recovered),
                **reliability(visits),
                "contrast": "resistant - responsive",
                **_contrast(true, recovered, first["participant_id"].map(label)),
            }
        )
    return RECOVERY.frame(rows)


def _agreement(true: np.ndarray, recovered: np.ndarray) -> dict[str, float]:
    """Bias, scatter and correlation of recovered with true values."""
    error = recovered - true
    bias, mean = error.mean(), true.mean()
    varied = len(true) > 2 and true.std() > 0 and recovered.std() > 0
    return {
        "bias": bias,
        "bias_percent": 100 * bias / abs(mean) if mean else float("nan"),
        "rmse": np.sqrt((error**2).mean()),
        "slope": np.polyfit(true, recovered, 1)[0] if varied else float("nan"),
        "r": np.corrcoef(true, recovered)[0, 1] if varied else float("nan"),
        "icc_a1": icc_a1(np.column_stack([true, recovered])),
    }


def _contrast(true: np.ndarray, recovered: np.ndarray, labels: pd.Series) -> dict[str, float]:
    """Standardised difference of resistant minus responsive people, true and recovered."""
    case, reference = (labels == "resistant").to_numpy(), (labels == "responsive").to_numpy()
    contrast: dict[str, float] = {}
    for name, values in (("true_d", true), ("recovered_d", recovered)):
        effect = hedges_g(values[case], values[reference])
        g, low, high = (effect.g, effect.low, effect.high) if effect else 3 * (float("nan"),)
        contrast |= {name: g, f"{name}_low": low, f"{name}_high": high}
    contrast["recovered_p"] = effect.p if effect else float("nan")
    return contrast
