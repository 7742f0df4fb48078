"""Labels of treatment resistance in depression, and its staging.

Resistant: adequate trials of two different antidepressants without a response (half of the symptoms
gone). Staged by Thase and Rush (1997) and the Maudsley Staging Method (Fekadu et al. 2009, J Clin
Psychiatry 70:177). What cannot be decided is *indeterminate*, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from commissure.study.cells import as_number
from commissure.study.labels.drugs import substance
from commissure.study.labels.history import checked_trials, labels_by_course
from commissure.study.labels.rule import LabelRule
from commissure.study.labels.vocabulary import INDETERMINATE, RESISTANT, RESPONSIVE
from commissure.study.settings import DepressionSettings, StudySettings

TRIAL_COLUMNS = (
    "participant_id", "drug", "drug_class", "weeks_at_dose", "dose_adequate", "score_before",
    "score_after",
)  # fmt: skip
_RANGES = {
    "weeks_at_dose": (0, 5000), "dose_adequate": (0, 1), "score_before": (0, 60),
    "score_after": (0, 60),
}  # fmt: skip
#: Highest score that counts as remission.
REMISSION = {"HAMD17": 7.0, "MADRS": 10.0}
#: Classes in Thase and Rush's order.
TRICYCLIC, MAOI, ECT = "tca", "maoi", "ect"
#: Points of the Maudsley staging for severity.
SEVERITY = {
    "subsyndromal": 1, "mild": 2, "moderate": 3, "severe": 4, "severe psychotic": 5,
}  # fmt: skip


def responded(before: float, after: float, *, least: float = 0.5) -> bool | None:
    """Whether at least half of the score went away; None where a score is missing."""
    if not before > 0 or math.isnan(after):
        return None
    return (before - after) / before >= least


def remitted(scale: str, score: float) -> bool:
    """Whether a score is that of remission (HAMD17 <= 7, MADRS <= 10)."""
    return score <= REMISSION[scale]


def thase_rush_stage(failed_classes: Iterable[str]) -> int:
    """Stage 0 to 5 from the classes of which an adequate trial failed.

    I: one class; II: two classes; III: II and a tricyclic; IV: III and a monoamine oxidase
    inhibitor; V: IV and bilateral electroconvulsive therapy.
    """
    classes = {name.strip().casefold() for name in failed_classes}
    drugs = classes - {ECT}
    if not drugs:
        return 0
    if len(drugs) < 2:
        return 1
    stage = 2
    for wanted in (TRICYCLIC, MAOI, ECT):
        if wanted not in classes:
            break
        stage += 1
    return stage


def maudsley_score(
    *, months: float, severity: str, antidepressants: int, augmented: bool, ect: bool
) -> tuple[int, str]:
    """Score of the Maudsley Staging Method, 3 to 15, and its word.

    Parameters
    ----------
    months
        Duration of the episode.
    severity
        One of :data:`SEVERITY`.
    antidepressants
        Antidepressants that failed, at least one.
    augmented, ect
        Whether augmentation and electroconvulsive therapy failed.

    Raises
    ------
    ValueError
        The severity is unknown, or no antidepressant failed.
    """
    if severity not in SEVERITY:
        raise ValueError(f"severity {severity!r} is none of {list(SEVERITY)}")
    if antidepressants < 1:
        raise ValueError("the Maudsley staging asks for one failed antidepressant at least")
    score = 1 if months <= 12 else 2 if months <= 24 else 3
    score += SEVERITY[severity]
    score += next(points for points, most in enumerate((2, 4, 6, 10, math.inf), 1)
                  if antidepressants <= most)  # fmt: skip
    score += int(augmented) + int(ect)
    return score, "mild" if score <= 6 else "moderate" if score <= 10 else "severe"


def depression_labels(
    treatments: pd.DataFrame | None,
    participants: pd.DataFrame,
    *,
    criteria: DepressionSettings | None = None,
) -> pd.DataFrame:
    """Label everyone by adequate trials of antidepressants.

    Parameters
    ----------
    treatments
        One row per trial with :data:`TRIAL_COLUMNS`; ``drug_class`` as ssri, snri, tca, maoi, ect,
        augmentation; ``dose_adequate`` 1 or 0. None where there is no treatment history.
    participants
        One row per person; ``group`` tells controls; ``episode_months`` and ``severity``, where
        they are, give the Maudsley score.
    criteria
        The thresholds.

    Returns
    -------
    pandas.DataFrame
        ``participant_id label reason``, one row per person in the order of ``participants``; the
        reason of a resistant person has the stages.

    Raises
    ------
    DatasetError
        A column of the treatment history is missing, or a value is impossible.
    """
    criteria = criteria or DepressionSettings()
    trials = checked_trials(treatments, TRIAL_COLUMNS, _RANGES)
    return labels_by_course(
        trials, participants, lambda history, person: _course(history, person, criteria)
    )


def _course(
    trials: Sequence[Mapping[Any, Any]], person: Mapping[Any, Any], criteria: DepressionSettings
) -> tuple[str, str]:
    failed: dict[str, str] = {}
    helped: list[str] = []
    doubts: list[str] = []
    for trial in trials:
        named = trial["drug"] == trial["drug"] and trial["drug"] is not None
        drug = substance(str(trial["drug"])) if named else "a trial"
        kind = str(trial["drug_class"]).strip().casefold()
        answer = responded(trial["score_before"], trial["score_after"],
                           least=criteria.min_reduction)  # fmt: skip
        if not named:
            doubts.append(f"{drug}: its drug is not named")
        elif math.isnan(trial["weeks_at_dose"]):
            doubts.append(f"{drug}: duration unknown")
        elif not trial["weeks_at_dose"] >= criteria.min_weeks_at_dose:
            doubts.append(f"{drug}: duration {trial['weeks_at_dose']:g} weeks, below "
                          f"{criteria.min_weeks_at_dose:g}")  # fmt: skip
        elif trial["dose_adequate"] != 1:
            doubts.append(f"{drug}: its dose was not adequate, or is unknown")
        elif answer is None:
            doubts.append(f"{drug}: its symptom reduction is unknown")
        elif answer:
            helped.append(drug)
        else:
            failed[drug] = kind
    drugs = [name for name, kind in failed.items() if kind not in ("augmentation", ECT)]
    if len(drugs) >= criteria.min_failed_drugs:
        reason = f"adequate trials of {' and '.join(sorted(drugs))} failed"
        stage = thase_rush_stage(kind for kind in failed.values() if kind != "augmentation")
        reason += f"; Thase-Rush stage {('0', 'I', 'II', 'III', 'IV', 'V')[stage]}"
        months, severity = person.get("episode_months"), person.get("severity")
        if months is not None and months == months and severity in SEVERITY:
            kinds = set(failed.values())
            score, word = maudsley_score(
                months=as_number(months, str(person["participant_id"]), "episode_months"),
                severity=str(severity), antidepressants=len(drugs),
                augmented="augmentation" in kinds, ect=ECT in kinds,
            )  # fmt: skip
            reason += f", Maudsley {score} ({word})"
        return RESISTANT, reason
    if helped:
        return RESPONSIVE, f"responded to an adequate trial ({helped[0]})"
    reason = f"{len(drugs)} of {criteria.min_failed_drugs} antidepressants failed adequately"
    return INDETERMINATE, "; ".join([reason, *doubts])


def _label(
    treatments: pd.DataFrame | None, people: pd.DataFrame, settings: StudySettings
) -> pd.DataFrame:
    return depression_labels(treatments, people, criteria=settings.depression)


RULE = LabelRule(label=_label, uses_treatments=True, cautions=lambda labels, people, settings: ())
