"""Who was left out, and which products are missing, in one run and not in the other."""

from __future__ import annotations

import pandas as pd


def changed_exclusions(a: pd.DataFrame, b: pd.DataFrame) -> list[dict[str, str]]:
    """Exclusions that stand in one run alone.

    Returns
    -------
    list of dict
        ``run`` (``A`` or ``B``), ``participant_id``, ``session``, ``modality``, ``rule``.
    """
    return _alone(a, b, ["participant_id", "session", "modality", "rule"])


def changed_products(a: pd.DataFrame, b: pd.DataFrame) -> list[dict[str, str]]:
    """Products whose state is another in the other run, or that it does not expect.

    Returns
    -------
    list of dict
        ``participant_id``, ``session``, ``modality``, ``scan``, ``product``, and ``a`` and ``b``:
        the state in each run, with the cause where it is not present.
    """
    keys = ["participant_id", "session", "modality", "scan", "product"]
    both = a[[*keys, "state", "cause"]].merge(
        b[[*keys, "state", "cause"]], on=keys, how="outer", suffixes=("_a", "_b")
    )
    both = both.fillna("")
    changed = both[both["state_a"] != both["state_b"]]
    return [
        {
            **{key: str(row[key]) for key in keys},
            **{run: _state(row[f"state_{run}"], row[f"cause_{run}"]) for run in "ab"},
        }
        for row in changed.to_dict("records")
    ]


def _state(state: str, cause: str) -> str:
    if not state:
        return "not expected"
    return f"{state}: {cause}" if cause else state


def _alone(a: pd.DataFrame, b: pd.DataFrame, keys: list[str]) -> list[dict[str, str]]:
    both = a[keys].astype(str).drop_duplicates().merge(
        b[keys].astype(str).drop_duplicates(), on=keys, how="outer", indicator=True
    )  # fmt: skip
    alone = both[both["_merge"] != "both"]
    return [
        {"run": "A" if row["_merge"] == "left_only" else "B", **{key: row[key] for key in keys}}
        for row in alone.to_dict("records")
    ]
