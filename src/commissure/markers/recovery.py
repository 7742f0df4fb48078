"""How well the markers measure what is known to be true, in a simulated cohort."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from commissure.files import read_table
from commissure.markers.effect_sizes import hedges_g
from commissure.outputs import RECOVERY, RECOVERY_ORACLE, RECOVERY_PAIRS

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
        own = part["participant_id"].map(label).to_numpy()
        patients = np.isin(own, ["resistant", "responsive"])
        values, case = part["recovered"].to_numpy(float)[patients], own[patients] == "resistant"
        if min(case.sum(), (~case).sum()) >= 3 and values.std() > 0:
            sets.append((values, case))
    if not sets:
        return {"tests": 0, "rate": float("nan"), "low": float("nan"), "high": float("nan")}
    rng = np.random.default_rng(seed)
    found = 0
    for which in rng.integers(len(sets), size=tests):
        values, case = sets[which]
        relabelled = rng.permutation(case)
        effect = hedges_g(values[relabelled], values[~relabelled])
        found += effect is not None and effect.p < ALPHA
    low, high = wilson(found, tests)
    return {"tests": tests, "rate": found / tests, "low": low, "high": high}


def wilson(found: int, tests: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share (Wilson's)."""
    share = found / tests
    centre = share + z**2 / (2 * tests)
    spread = z * np.sqrt(share * (1 - share) / tests + z**2 / (4 * tests**2))
    scale = 1 + z**2 / tests
    return float((centre - spread) / scale), float((centre + spread) / scale)


def learned_from_truth(
    truth: pd.DataFrame, groups: pd.DataFrame, *, repeats: int = 5, seed: int = 0
) -> pd.Series:
    """What a classifier makes of the true markers, in people that it has not seen.

    Ridge logistic regression of resistant against responsive, its penalty chosen inside the
    training people; five folds, missing markers at the mean of the training people. Between this
    and the oracle lies what has to be learned from so few people; between this and the pipeline
    lies what measurement loses (and what another model makes of it).

    Parameters
    ----------
    truth
        True markers, columns of :data:`commissure.rows.COLUMNS`; everybody's first session counts.
    groups
        ``participant_id`` and ``label``.
    repeats
        Divisions into folds; the result is the mean over them.
    seed
        Of the divisions.

    Returns
    -------
    pandas.Series
        Logit by ``participant_id``; empty where either group has fewer than ten people.
    """
    label = groups.set_index("participant_id")["label"].to_dict()
    known = truth.sort_values("session").drop_duplicates(
        ["participant_id", "modality", "region", "marker"]
    )
    wide = known.pivot_table(
        index="participant_id", columns=["modality", "region", "marker"], values="value"
    )
    wide = wide.loc[wide.index.map(label).isin(["resistant", "responsive"])]
    y = (wide.index.map(label) == "resistant").astype(int)
    if min(y.sum(), (1 - y).sum()) < 10:
        return pd.Series(dtype=float)
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    values = wide.to_numpy(float)
    logits = np.zeros(len(y))
    for repeat in range(repeats):
        folds = StratifiedKFold(5, shuffle=True, random_state=seed + repeat)
        for train, test in folds.split(values, y):
            model = GridSearchCV(
                make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=2000)),
                {"logisticregression__C": [1e-4, 1e-3, 1e-2, 1e-1]},
                scoring="neg_log_loss",
                cv=StratifiedKFold(5, shuffle=True, random_state=seed),
            )
            logits[test] += model.fit(values[train], y[train]).decision_function(values[test])
    return pd.Series(logits / repeats, index=wide.index, name="learned")


def oracle_table(files: Sequence[str | Path] | str, learned: pd.Series) -> pd.DataFrame:
    """Put the oracle's score and what was learned from the truth side by side, person by person.

    Parameters
    ----------
    files
        The simulator's ``oracle.tsv`` (``participant_id score``), or none.
    learned
        From :func:`learned_from_truth`.
    """
    names = [files] if isinstance(files, str) else list(files)
    if not names:
        return RECOVERY_ORACLE.frame()
    scores = read_table(Path(names[0])).rename(columns={"score": "oracle"})
    learned_score = scores["participant_id"].map(learned).astype(float)
    return scores.assign(learned=learned_score)[RECOVERY_ORACLE.names]


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
        part = visits.sort_values("session").drop_duplicates("participant_id")
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
            **reliability(visits),
            "contrast": "resistant - responsive",
        }
        for name, values in (("true_d", true), ("recovered_d", found)):
            effect = hedges_g(values[case], values[reference])
            g, low, high = (effect.g, effect.low, effect.high) if effect else 3 * (float("nan"),)
            row |= {name: g, f"{name}_low": low, f"{name}_high": high}
        row["recovered_p"] = effect.p if effect else float("nan")
        rows.append(row)
    return RECOVERY.frame(rows)
