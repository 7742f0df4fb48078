"""The people of a simulated study: who they are, what is true of them, and how they were treated.

A true marker is drawn as::

    mean + age_per_year (age - 35) + male [man] + sd (z + d)
    d = effects (d_patient [patient] + d_resistant [resistant])

with the numbers of ``effects.tsv`` (one row per marker and region, each with its source). The
``z`` are standard normal; two of one modality correlate by 0.5 (by 0.75 if they are the two sides
of one structure), two of different modalities by 0.15. ``loading`` is the sign with which a marker
takes part: large ventricles go with small hippocampi.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from commissure.errors import ConfigError
from commissure.phantom.person import GROUPS, Group, Person, Scanner
from commissure.phantom.treatments import draw_trials
from commissure.rows import MODALITIES, read_table

if TYPE_CHECKING:
    import pandas as pd

#: Shares of the variance of z that are common to everything, to a modality, to both sides.
COMMON, WITHIN_MODALITY, BOTH_SIDES = 0.15, 0.35, 0.25

#: One patient in so many of the responsive ones looks resistant because he did not take his doses.
PSEUDO_RESISTANT_EVERY = 12

#: Effects on what is not an image marker, in SD: patients, and resistant ones on top.
MOTION_D = (0.3, 0.3)
ONSET_D = -0.55

MEAN_FD_MM, MEAN_FD_LOG_SD = 0.12, 0.4
ONSET_YEARS, ONSET_SD_YEARS = 24.0, 5.0

_SCANNERS = (
    {"manufacturer": "Siemens", "model": "Phantom P3"},
    {"manufacturer": "GE", "model": "Phantom G3", "t1w_gamma": 1.12, "snr_factor": 0.85},
    {"manufacturer": "Philips", "model": "Phantom A3", "t1w_gamma": 0.92, "snr_factor": 1.10},
)


@lru_cache(maxsize=1)
def effects_table() -> pd.DataFrame:
    """The planted truth: mean, SD, dependence on age and sex, and both effects of every marker."""
    return read_table(Path(__file__).with_name("effects.tsv"), text=("region",)).fillna(
        {"pair": ""}
    )


def draw_cohort(
    *,
    controls: int,
    responsive: int,
    resistant: int,
    sites: int = 2,
    site_balance: float = 0.2,
    missing: float = 0.08,
    effects: float = 1.0,
    seed: int = 1,
) -> list[Person]:
    """Draw the people of a study.

    Parameters
    ----------
    controls, responsive, resistant
        How many of each. One in :data:`PSEUDO_RESISTANT_EVERY` of the responsive did not take his
        doses, so that his label is indeterminate.
    sites
        How many sites.
    site_balance
        How far the share of resistant patients differs between sites: 0 not at all; with two sites
        and 0.2, the first has 60 % of the resistant and 40 % of the responsive.
    missing
        Probability with which each modality of a person is missing, completely at random. Each
        modality is missing in at least one of eight or more people; nobody misses all.
    effects
        Factor on every difference between groups; 0 gives a cohort without any.
    seed
        The same seed gives the same people.

    Returns
    -------
    list of Person
        In an order that does not tell the group.

    Raises
    ------
    ConfigError
        A number that no study can have.
    """
    _refuse_impossible(controls, responsive, resistant, sites, site_balance, missing, effects)
    counts = dict(zip(GROUPS, (controls, responsive, resistant), strict=True))
    rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    people: list[tuple[Group, int]] = [
        (group, site)
        for group, count in counts.items()
        for site, size in enumerate(_by_site(group, count, sites, site_balance))
        for _ in range(size)
    ]
    people = [people[i] for i in rng.permutation(len(people))]
    n = len(people)
    groups = np.array([group for group, _ in people])
    resistant_one = groups == "resistant"
    patient = groups != "control"
    onset, years_ill = _onset_and_duration(n, rng)
    age = onset + years_ill
    onset = onset + effects * ONSET_D * ONSET_SD_YEARS * resistant_one
    male = rng.random(n) < np.where(patient, 0.6, 0.5)
    markers = draw_markers(age, male, patient, resistant_one, effects=effects, rng=rng)
    layers = MOTION_D[0] * patient + MOTION_D[1] * resistant_one
    motion = MEAN_FD_MM * np.exp(MEAN_FD_LOG_SD * (rng.standard_normal(n) + effects * layers))
    acquired = _acquired(n, missing, rng)
    pseudo = _pseudo_resistant(groups)
    scanners = [scanner(i) for i in range(sites)]
    digits = max(2, len(str(n)))
    drawn = []
    for i, (group, site) in enumerate(people):
        label = "indeterminate" if i in pseudo else group
        trials = draw_trials(label, rng)
        education = round(float(np.clip(rng.normal(13, 2.5), 6, 22)))
        sofas = _sofas(label, rng)
        clinical: dict[str, float] = {"education_years": education, "sofas": sofas}
        if trials:
            clinical |= {
                "age_at_onset": round(float(onset[i]), 1),
                "baseline_panss_total": trials[0].panss_before,
                "current_panss_total": trials[-1].panss_after,
            }
        drawn.append(
            Person(
                participant_id=f"sub-{i + 1:0{digits}d}",
                group=group,
                site=scanners[site].site,
                age=round(float(age[i]), 1),
                sex="M" if male[i] else "F",
                modalities=frozenset(
                    m for m, there in zip(MODALITIES, acquired[i], strict=True) if there
                ),
                markers={key: float(values[i]) for key, values in markers.items()},
                motion_scale_mm=float(motion[i]),
                seed=int(np.random.SeedSequence([seed, 2, i]).generate_state(1)[0]),
                scanner=scanners[site],
                clinical=clinical,
                trials=trials,
                label=label,
            )
        )
    return drawn


def draw_markers(
    age: np.ndarray,
    male: np.ndarray,
    patient: np.ndarray,
    resistant: np.ndarray,
    *,
    effects: float,
    rng: np.random.Generator,
) -> dict[tuple[str, str], np.ndarray]:
    """Draw the true markers of n people.

    Parameters
    ----------
    age
        (n,) years.
    male, patient, resistant
        (n,) of bool.
    effects
        Factor on the differences between groups.
    rng
        Draws the people.

    Returns
    -------
    dict
        (n,) values by ``(marker, region)``.
    """
    n = len(age)
    common = rng.standard_normal(n)
    shared: dict[str, np.ndarray] = {}
    values = {}
    for row in effects_table().to_dict("records"):
        own = rng.standard_normal(n)
        modality, pair = row["modality"], f"{row['modality']} {row['pair']}" if row["pair"] else ""
        for name in (modality, pair):
            if name and name not in shared:
                shared[name] = rng.standard_normal(n)
        z = own
        if row["loading"]:
            sides = BOTH_SIDES if pair else 0.0
            z = row["loading"] * (
                math.sqrt(COMMON) * common
                + math.sqrt(WITHIN_MODALITY) * shared[modality]
                + math.sqrt(sides) * shared.get(pair, 0.0)
                + math.sqrt(1 - COMMON - WITHIN_MODALITY - sides) * own
            )
        d = effects * (row["d_patient"] * patient + row["d_resistant"] * resistant)
        value = row["mean"] + row["age_per_year"] * (age - 35) + row["male"] * male
        low, high = _possible(row["marker"])
        values[row["marker"], row["region"]] = np.clip(value + row["sd"] * (z + d), low, high)
    return values


def scanner(index: int) -> Scanner:
    """The machine of a site: contrast and noise differ from site to site."""
    name = chr(ord("A") + index) if index < 26 else f"S{index + 1}"
    model = _SCANNERS[index % len(_SCANNERS)]
    return Scanner(name, **model)  # type: ignore[arg-type]


def participants_table(people: Sequence[Person]) -> pd.DataFrame:
    """``participants.tsv``: patients are patients, their label follows from their treatments."""
    import pandas as pd

    columns = [name for name in PARTICIPANTS_COLUMNS if name not in ("age", "sex", "site", "group")]
    return pd.DataFrame(
        [
            {
                "participant_id": person.participant_id,
                "age": person.age,
                "sex": person.sex,
                "site": person.site,
                "group": "control" if person.group == "control" else "patient",
                **{name: person.clinical.get(name) for name in columns},
            }
            for person in people
        ]
    ).astype({name: "Int64" for name in columns if name != "age_at_onset"})


def groups_table(people: Sequence[Person]) -> pd.DataFrame:
    """``sourcedata/truth/groups.tsv``: the group a person was drawn from, and the label due."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "participant_id": person.participant_id,
                "site": person.site,
                "group": person.group,
                "label": person.label,
                "modalities": ",".join(m for m in MODALITIES if m in person.modalities) or None,
            }
            for person in people
        ]
    )


#: Description of every column of ``participants.tsv``.
PARTICIPANTS_COLUMNS: Mapping[str, Mapping[str, object]] = {
    "age": {"Description": "Age at the scan", "Units": "year"},
    "sex": {"Description": "Sex", "Levels": {"F": "female", "M": "male"}},
    "site": {"Description": "Site of the scanner"},
    "group": {
        "Description": "Control or patient; whether a patient is resistant follows from "
        "sourcedata/treatments.tsv",
        "Levels": {"control": "healthy control", "patient": "schizophrenia"},
    },
    "age_at_onset": {
        "Description": "Age at the first psychotic episode; n/a for controls",
        "Units": "year",
    },
    "education_years": {"Description": "Years of education", "Units": "year"},
    "baseline_panss_total": {
        "Description": "PANSS total (30 to 210) before the first antipsychotic; n/a for controls"
    },
    "current_panss_total": {
        "Description": "PANSS total (30 to 210) after the last trial, which defines the label and "
        "must not predict it; n/a for controls"
    },
    "sofas": {
        "Description": "Social and Occupational Functioning Assessment Scale (0 to 100) at the "
        "scan, which enters the label and must not predict it"
    },
}


def _refuse_impossible(
    controls: int,
    responsive: int,
    resistant: int,
    sites: int,
    site_balance: float,
    missing: float,
    effects: float,
) -> None:
    for name, count in (
        ("controls", controls),
        ("responsive", responsive),
        ("resistant", resistant),
    ):
        if count < 0:
            raise ConfigError(f"--{name}", found=f"{count} people", wanted="0 or more")
    n = controls + responsive + resistant
    if n < 1:
        raise ConfigError("simulate", found="a cohort of 0 people", wanted="at least one person")
    if not 1 <= sites <= n:
        raise ConfigError(
            "--sites", found=f"{sites} sites for {n} people", wanted=f"1 to {n} sites"
        )
    for name, value, high in (("site-balance", site_balance, 1.0), ("missing", missing, 0.9)):
        if not 0 <= value <= high:
            raise ConfigError(f"--{name}", found=f"{value}", wanted=f"a number from 0 to {high:g}")
    if not 0 <= effects <= 3:
        raise ConfigError(
            "--effects",
            found=f"a factor of {effects} on the planted effects",
            wanted="a number from 0 (none) to 3 (three times the published size)",
        )


def _possible(marker: str) -> tuple[float, float]:
    if marker == "volume_factor":
        return 0.4, 3.0
    if marker == "fa":
        return 0.1, 0.9
    return (-0.5, 0.9) if marker.startswith("fc") else (0.1, np.inf)


def _by_site(group: Group, count: int, sites: int, balance: float) -> list[int]:
    """Split a group over sites; resistant patients gather where responsive ones are fewer."""
    tilt = {"control": 0.0, "responsive": -balance, "resistant": balance}[group]
    place = np.linspace(1, -1, sites) if sites > 1 else np.zeros(1)
    share = count * (1 + tilt * place) / sites
    sizes = np.floor(share).astype(int)
    for site in np.argsort(sizes - share, kind="stable")[: count - sizes.sum()]:
        sizes[site] += 1
    return [int(size) for size in sizes]


def _onset_and_duration(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Years at onset, and years since; controls get the same ages by the same draw."""
    onset = np.clip(rng.normal(ONSET_YEARS, ONSET_SD_YEARS, n), 15, 45)
    return onset, np.clip(1 + rng.gamma(2.0, 5.0, n), 1, 30)


def _acquired(n: int, missing: float, rng: np.random.Generator) -> np.ndarray:
    """(n, 4) of bool: which modalities each person has."""
    there = rng.random((n, len(MODALITIES))) >= missing
    for person in np.flatnonzero(~there.any(axis=1)):
        there[person, rng.integers(len(MODALITIES))] = True
    if missing > 0 and n >= 8:
        for modality in range(len(MODALITIES)):
            if there[:, modality].all():
                complete = np.flatnonzero(there.all(axis=1))
                candidates = complete if len(complete) else np.flatnonzero(there.sum(axis=1) > 1)
                there[rng.choice(candidates), modality] = False
    return there


def _pseudo_resistant(groups: np.ndarray) -> set[int]:
    responsive = np.flatnonzero(groups == "responsive")
    return {int(i) for i in responsive[PSEUDO_RESISTANT_EVERY - 1 :: PSEUDO_RESISTANT_EVERY]}


def _sofas(label: str, rng: np.random.Generator) -> int:
    mean, low, high = {
        "control": (86, 75, 100),
        "responsive": (66, 50, 85),
        "resistant": (46, 25, 58),
        "indeterminate": (48, 30, 58),
    }[label]
    return round(float(np.clip(rng.normal(mean, 6), low, high)))
