"""Whether an outcome came before the visits that are to predict it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from commissure.errors import DatasetError
from commissure.markers.visits import FOLLOWUP
from commissure.study.outcomes.continuous import number_column
from commissure.study.settings import StudySettings


def refuse_late_visits(
    people: pd.DataFrame, labels: pd.DataFrame, visits: pd.DataFrame, settings: StudySettings
) -> list[str]:
    """Refuse an outcome that came before a visit whose markers are used.

    Parameters
    ----------
    people, labels
        The same people in the same order; ``labels`` holds the time of a time to an event.
    visits
        ``participant_id visit days`` of every session.
    settings
        Say when the outcome was, and which visits are used.

    Returns
    -------
    list of str
        A sentence on people of whom it is not known.

    Raises
    ------
    DatasetError
        The person is named, with both days.
    """
    outcome = settings.outcome
    if outcome.days_column is not None:
        days = number_column(people, outcome.days_column, "fusion.outcome.days_column")
        name = outcome.days_column
    elif outcome.kind == "time_to_event":
        days, name = labels["outcome"].to_numpy(float), str(outcome.column)
    else:
        days, name = np.full(len(people), np.nan), ""
    who = people["participant_id"].astype(str)
    early = np.flatnonzero(days < 0)
    if len(early):
        raise DatasetError(
            who.iloc[early[0]],
            found=f"the outcome was {-days[early[0]]:g} days before the baseline ({name})",
            wanted="an outcome after the images that are to predict it",
            mend="Mend the column, or leave the person out",
        )
    if set(settings.visit_markers) == {"baseline"}:
        return []
    followup = visits[visits["visit"] == FOLLOWUP].groupby("participant_id")["days"].max()
    at_visit = followup.reindex(who).to_numpy(float)
    late = np.flatnonzero(at_visit > days)
    if len(late):
        raise DatasetError(
            who.iloc[late[0]],
            found=f"the follow-up visit is {at_visit[late[0]]:g} days after the baseline, and the "
            f"outcome {days[late[0]]:g} days ({name})",
            wanted="visits before the outcome that they are to predict",
            mend="Leave the person's follow-up out, or set fusion.visit_markers to [baseline]",
        )
    unknown = int((who.isin(followup.index) & ~np.isfinite(at_visit - days)).sum())
    if not unknown:
        return []
    return [
        f"Of {unknown} people it is not known whether the follow-up visit was before the outcome: "
        "what changed may have followed it (fusion.outcome.days_column, acq_time)."
    ]
