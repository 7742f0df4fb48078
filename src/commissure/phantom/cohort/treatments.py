"""Courses of treatment from which the label follows, and none other than the label due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from commissure.phantom.person import Person, Trial

#: Daily dose equivalent to 600 mg of chlorpromazine (Gardner DM et al., International consensus
#: study of antipsychotic dosing, Am J Psychiatry 167:686-693, 2010).
MG_FOR_600_CPZ = {
    "amisulpride": 700,
    "aripiprazole": 30,
    "haloperidol": 10,
    "olanzapine": 20,
    "paliperidone": 9,
    "quetiapine": 750,
    "risperidone": 6,
}

#: Description of every column of ``sourcedata/treatments.tsv``.
TREATMENTS_COLUMNS: Mapping[str, Mapping[str, str]] = {
    "trial": {"Description": "Number of the course of treatment, in order"},
    "drug": {"Description": "Antipsychotic"},
    "dose_mg": {"Description": "Dose", "Units": "mg/day"},
    "cpz_eq_mg": {"Description": "Chlorpromazine equivalent (Gardner 2010)", "Units": "mg/day"},
    "weeks_at_dose": {"Description": "Time at that dose", "Units": "week"},
    "adherence": {"Description": "Share of the doses that were taken", "Units": "1"},
    "adherence_sources": {"Description": "Number of independent sources of the adherence"},
    "panss_before": {"Description": "PANSS total (30 to 210) before the trial"},
    "panss_after": {"Description": "PANSS total (30 to 210) at its end"},
}


def draw_trials(label: str, rng: np.random.Generator) -> tuple[Trial, ...]:
    """Courses of treatment from which the label follows by the TRRIP criteria.

    Resistant: two or three adequate trials of different drugs, each with under 20 % less symptoms.
    Responsive: an adequate trial with more than half, one in three after an earlier failure.
    Indeterminate: failures, but with too few doses taken.
    """
    if label == "control":
        return ()
    severity = round(float(np.clip(rng.normal(92, 11), 72, 130)))
    if label == "responsive":
        gains = [(-0.05, 0.15)] * int(rng.random() < 1 / 3) + [(0.52, 0.80)]
    else:
        gains = [(-0.05, 0.15)] * int(rng.integers(2, 4))
    drugs = rng.choice(sorted(MG_FOR_600_CPZ), len(gains), replace=False)
    trials = []
    for drug, (low, high) in zip(drugs, gains, strict=True):
        reference = MG_FOR_600_CPZ[str(drug)]
        dose = reference * float(rng.choice([1.0, 1.25, 1.5]))
        gone = rng.uniform(low, high)
        # The PANSS starts at 30: a reduction is one of what is above (Obermeier 2010).
        after = round(severity - gone * (severity - 30))
        taken = rng.uniform(0.30, 0.70) if label == "indeterminate" else rng.uniform(0.82, 1.0)
        trials.append(
            Trial(
                drug=str(drug),
                dose_mg=round(dose, 1),
                cpz_eq_mg=round(600 * dose / reference, 1),
                weeks_at_dose=int(rng.integers(6, 17)),
                adherence=round(float(taken), 2),
                adherence_sources=int(rng.integers(2, 4)),
                panss_before=severity,
                panss_after=after,
            )
        )
        severity = after
    return tuple(trials)


def treatments_table(people: Sequence[Person]) -> pd.DataFrame:
    """``sourcedata/treatments.tsv``: one row per course of treatment."""
    columns = ["participant_id", "trial", *Trial.__dataclass_fields__]
    return pd.DataFrame(
        [
            {"participant_id": person.participant_id, "trial": number, **vars(trial)}
            for person in people
            for number, trial in enumerate(person.trials, start=1)
        ],
        columns=columns,
    )
