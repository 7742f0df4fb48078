"""The people of a simulated study: who they are, what is true of them, and how they were treated.

A true marker is drawn as::

    mean + age_per_year (age - 35) + male [man] + sd (z + d)
    d = effects (d_patient [patient] + d_resistant [resistant])

with the numbers of ``planted_effects.tsv`` (one row per marker and region, each with its
source). The ``z`` are standard normal; two of one modality correlate by 0.5 (by 0.75 if they are
the two sides of one structure), two of different modalities by 0.15. ``loading`` is the sign with
which a marker takes part: large ventricles go with small hippocampi.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from commissure.modalities import BY_DEFAULT
from commissure.phantom.cohort.planted_effects import (
    BOTH_SIDES,
    COMMON,
    WITHIN_MODALITY,
    planted_effects,
)
from commissure.phantom.cohort.request import CohortRequest, Missingness
from commissure.phantom.cohort.treatments import draw_trials
from commissure.phantom.person import GROUPS, Group, Label, Person, Scanner, Trial

#: One patient in so many of the responsive ones took too few doses, and so looks resistant.
PSEUDO_RESISTANT_EVERY = 12

#: Effects on what is not an image marker, in SD: patients, and resistant ones on top.
MOTION_D = (0.3, 0.3)
ONSET_D = -0.55

MEAN_FD_MM, MEAN_FD_LOG_SD = 0.12, 0.4
ONSET_YEARS, ONSET_SD_YEARS = 24.0, 5.0

#: Severity in SD that a group adds to what its markers share; it decides only who comes to a scan.
SEVERITY_D = (0.5, 0.5)

_SCANNERS = (
    {"manufacturer": "Siemens", "model": "Phantom P3"},
    {"manufacturer": "GE", "model": "Phantom G3", "t1w_gamma": 1.12, "snr_factor": 0.85},
    {"manufacturer": "Philips", "model": "Phantom A3", "t1w_gamma": 0.92, "snr_factor": 1.10},
)


@dataclass(frozen=True)
class _Drawn:
    """What is true of n people before each is put together; arrays are (n,).

    Attributes
    ----------
    groups, sites
        Group, and index of the site.
    age, onset
        Years.
    male
        Sex.
    markers
        True values by ``(marker, region)``.
    motion_mm
        Mean framewise displacement aimed at.
    acquired
        (n, modalities) of bool.
    """

    groups: np.ndarray
    sites: np.ndarray
    age: np.ndarray
    onset: np.ndarray
    male: np.ndarray
    markers: Mapping[tuple[str, str], np.ndarray]
    motion_mm: np.ndarray
    acquired: np.ndarray


def draw_cohort(request: CohortRequest) -> list[Person]:
    """Draw the people of a study.

    Parameters
    ----------
    request
        How many of each group at how many sites, what is planted, and what is missing. One in
        :data:`PSEUDO_RESISTANT_EVERY` of the responsive did not take their doses, so that their
        label is indeterminate.

    Returns
    -------
    list of Person
        In an order that does not tell the group.
    """
    rng = np.random.default_rng(np.random.SeedSequence([request.seed, 1]))
    drawn = _drawn(request, rng)
    n = len(drawn.groups)
    pseudo = _pseudo_resistant(drawn.groups)
    scanners = [scanner(index) for index in range(request.n_sites)]
    digits = max(2, len(str(n)))
    people = []
    for i in range(n):
        group = drawn.groups[i].item()
        label: Label = "indeterminate" if i in pseudo else group
        trials = draw_trials(label, rng)
        machine = scanners[drawn.sites[i]]
        people.append(
            Person(
                participant_id=f"sub-{i + 1:0{digits}d}",
                group=group,
                site=machine.site,
                age=round(float(drawn.age[i]), 1),
                sex="M" if drawn.male[i] else "F",
                modalities=frozenset(
                    name
                    for name, acquired in zip(BY_DEFAULT, drawn.acquired[i], strict=True)
                    if acquired
                ),
                markers={key: float(values[i]) for key, values in drawn.markers.items()},
                motion_scale_mm=float(drawn.motion_mm[i]),
                seed=int(np.random.SeedSequence([request.seed, 2, i]).generate_state(1)[0]),
                scanner=machine,
                clinical=_clinical(label, trials, float(drawn.onset[i]), rng),
                trials=trials,
                label=label,
            )
        )
    return people


def _drawn(request: CohortRequest, rng: np.random.Generator) -> _Drawn:
    """Draw everything but treatments and clinical scores."""
    people = _places(request)
    people = [people[i] for i in rng.permutation(len(people))]
    n = len(people)
    groups = np.array([group for group, _ in people])
    sites = np.array([site for _, site in people])
    resistant = groups == "resistant"
    patient = groups != "control"
    factors = on_patients, on_resistant = request.layers
    onset, years_ill = _onset_and_duration(n, rng)
    age = onset + years_ill
    onset = onset + on_resistant * ONSET_D * ONSET_SD_YEARS * resistant
    male = rng.random(n) < np.where(patient, 0.6, 0.5)
    common = rng.standard_normal(n)
    markers = draw_markers(age, male, patient, resistant, common=common, factors=factors, rng=rng)
    layers = on_patients * MOTION_D[0] * patient + on_resistant * MOTION_D[1] * resistant
    motion = MEAN_FD_MM * np.exp(MEAN_FD_LOG_SD * (rng.standard_normal(n) + layers))
    severity = SEVERITY_D[0] * patient + SEVERITY_D[1] * resistant - common
    chance = _chance_to_miss(request.missing, request.missing_by, sites, severity)
    return _Drawn(groups, sites, age, onset, male, markers, motion, _acquired(chance, rng))


def _places(request: CohortRequest) -> list[tuple[Group, int]]:
    """Group and index of the site of everybody, group by group."""
    return [
        (group, site)
        for place, (group, count) in enumerate(zip(GROUPS, request.group_sizes, strict=True))
        for site, size in enumerate(
            [counts[place] for counts in request.site_people]
            or _by_site(group, count, request.n_sites, request.site_balance)
        )
        for _ in range(size)
    ]


def _clinical(
    label: str, trials: Sequence[Trial], onset_years: float, rng: np.random.Generator
) -> dict[str, float]:
    """Columns of ``participants.tsv`` beyond age, sex and site."""
    education = round(float(np.clip(rng.normal(13, 2.5), 6, 22)))
    clinical: dict[str, float] = {"education_years": education, "sofas": _sofas(label, rng)}
    if trials:
        clinical |= {
            "age_at_onset": round(onset_years, 1),
            "baseline_panss_total": trials[0].panss_before,
            "current_panss_total": trials[-1].panss_after,
        }
    return clinical


def draw_markers(
    age: np.ndarray,
    male: np.ndarray,
    patient: np.ndarray,
    resistant: np.ndarray,
    *,
    common: np.ndarray,
    factors: tuple[float, float],
    rng: np.random.Generator,
) -> dict[tuple[str, str], np.ndarray]:
    """Draw the true markers of n people.

    Parameters
    ----------
    age
        (n,) years.
    male, patient, resistant
        (n,) of bool.
    common
        (n,) standard normal: what all markers of a person share.
    factors
        On the differences patients - controls and resistant - responsive.
    rng
        Draws everything else.

    Returns
    -------
    dict
        (n,) values by ``(marker, region)``.
    """
    n = len(age)
    shared: dict[str, np.ndarray] = {}
    values = {}
    for row in planted_effects().to_dict("records"):
        specific = rng.standard_normal(n)
        modality, pair = row["modality"], f"{row['modality']} {row['pair']}" if row["pair"] else ""
        for name in (modality, pair):
            if name and name not in shared:
                shared[name] = rng.standard_normal(n)
        z = specific
        if row["loading"]:
            sides = BOTH_SIDES if pair else 0.0
            z = row["loading"] * (
                math.sqrt(COMMON) * common
                + math.sqrt(WITHIN_MODALITY) * shared[modality]
                + math.sqrt(sides) * shared.get(pair, 0.0)
                + math.sqrt(1 - COMMON - WITHIN_MODALITY - sides) * specific
            )
        d = factors[0] * row["d_patient"] * patient + factors[1] * row["d_resistant"] * resistant
        value = row["mean"] + row["age_per_year"] * (age - 35) + row["male"] * male
        low, high = possible(row["marker"])
        values[row["marker"], row["region"]] = np.clip(value + row["sd"] * (z + d), low, high)
    return values


def scanner(index: int) -> Scanner:
    """The machine of a site: contrast and noise differ from site to site."""
    name = chr(ord("A") + index) if index < 26 else f"S{index + 1}"
    model = _SCANNERS[index % len(_SCANNERS)]
    return Scanner(name, **model)  # type: ignore[arg-type]


def possible(marker: str) -> tuple[float, float]:
    """Least and greatest value that a true marker may take."""
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


def _chance_to_miss(
    missing: float, by: Missingness, sites: np.ndarray, severity: np.ndarray
) -> np.ndarray:
    """(n,) probability with which each person lacks a modality; its mean is about ``missing``."""
    if by == "site":
        return 2 * missing * sites / sites.max()
    if by == "severity":
        rank = severity.argsort().argsort()
        return 2 * missing * rank / max(1, len(rank) - 1)
    return np.full(len(sites), missing)


def _acquired(missing: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(n, 4) of bool: which modalities each person has."""
    n = len(missing)
    acquired = rng.random((n, len(BY_DEFAULT))) >= missing[:, None]
    for person in np.flatnonzero(~acquired.any(axis=1)):
        acquired[person, rng.integers(len(BY_DEFAULT))] = True
    if missing.any() and n >= 8:
        for modality in range(len(BY_DEFAULT)):
            if acquired[:, modality].all():
                complete = np.flatnonzero(acquired.all(axis=1))
                candidates = complete if len(complete) else np.flatnonzero(acquired.sum(axis=1) > 1)
                acquired[rng.choice(candidates), modality] = False
    return acquired


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
