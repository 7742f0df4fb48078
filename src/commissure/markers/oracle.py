"""How well people could be told apart at best, in a simulated cohort."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from commissure.files import read_table
from commissure.outputs import RECOVERY_ORACLE


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
