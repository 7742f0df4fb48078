"""How well the markers measure what is known to be true, in a simulated cohort."""

from __future__ import annotations

import numpy as np
import pandas as pd

from commissure.markers.effects import hedges_g

PAIRS = ["participant_id", "session", "modality", "region", "marker", "unit", "true", "recovered"]

RECOVERY = [
    "modality", "region", "marker", "unit", "n", "bias", "bias_percent", "rmse", "slope", "r",
    "icc_a1", "true_d", "true_d_low", "true_d_high", "recovered_d", "recovered_d_low",
    "recovered_d_high", "contrast",
]  # fmt: skip


def truth_pairs(truth: pd.DataFrame, recovered: pd.DataFrame) -> pd.DataFrame:
    """Put true and recovered values of the same person, visit, region and marker side by side.

    Parameters
    ----------
    truth, recovered
        Marker tables (columns of :data:`commissure.rows.COLUMNS`).

    Returns
    -------
    pandas.DataFrame
        The columns :data:`PAIRS`.
    """
    keys = PAIRS[:5]
    joined = truth[[*keys, "unit", "value"]].merge(
        recovered[[*keys, "value"]], on=keys, suffixes=("_true", "_recovered")
    )
    joined = joined.rename(columns={"value_true": "true", "value_recovered": "recovered"})
    return joined[PAIRS].dropna(subset=["true", "recovered"]).sort_values(keys, ignore_index=True)


def icc_a1(values: np.ndarray) -> float:
    """Agreement of measurements: ICC(A,1), two-way, single measure, absolute agreement.

    Parameters
    ----------
    values
        (n, k): k measurements of the same n people.

    Returns
    -------
    float
        NaN for fewer than three people or no variance at all.

    Notes
    -----
    McGraw KO, Wong SP, Forming inferences about some intraclass correlation coefficients, Psychol
    Methods 1:30-46, 1996, case 2A: (MSR - MSE) / (MSR + (k-1) MSE + k (MSC - MSE) / n).
    """
    values = np.asarray(values, dtype=float)
    n, k = values.shape
    if n < 3:
        return float("nan")
    grand = values.mean()
    rows, columns = values.mean(axis=1), values.mean(axis=0)
    between = k * ((rows - grand) ** 2).sum() / (n - 1)
    methods = n * ((columns - grand) ** 2).sum() / (k - 1)
    residual = ((values - rows[:, None] - columns + grand) ** 2).sum() / ((n - 1) * (k - 1))
    total = between + (k - 1) * residual + k * (methods - residual) / n
    return float((between - residual) / total) if total > 0 else float("nan")


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
        The columns :data:`RECOVERY`. ``slope`` is that of recovered on true values.
    """
    label = groups.set_index("participant_id")["label"]
    rows = []
    for (modality, region, marker), part in pairs.groupby(["modality", "region", "marker"]):
        true, found = part["true"].to_numpy(float), part["recovered"].to_numpy(float)
        error = found - true
        bias, mean = error.mean(), true.mean()
        varied = len(part) > 2 and true.std() > 0 and found.std() > 0
        own = part["participant_id"].map(label)
        case, reference = (own == "resistant").to_numpy(), (own == "responsive").to_numpy()
        row = {
            "modality": modality,
            "region": region,
            "marker": marker,
            "unit": part["unit"].iloc[0],
            "n": len(part),
            "bias": bias,
            "bias_percent": 100 * bias / abs(mean) if mean else float("nan"),
            "rmse": np.sqrt((error**2).mean()),
            "slope": np.polyfit(true, found, 1)[0] if varied else float("nan"),
            "r": np.corrcoef(true, found)[0, 1] if varied else float("nan"),
            "icc_a1": icc_a1(np.column_stack([true, found])),
            "contrast": "resistant - responsive",
        }
        for name, values in (("true_d", true), ("recovered_d", found)):
            effect = hedges_g(values[case], values[reference])
            g, low, high = (effect.g, effect.low, effect.high) if effect else 3 * (float("nan"),)
            row |= {name: g, f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    return pd.DataFrame(rows, columns=RECOVERY)
