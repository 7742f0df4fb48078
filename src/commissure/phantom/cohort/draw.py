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
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from commissure.errors import ConfigError
from commissure.modalities import MODALITIES
from commissure.phantom.cohort.planted_effects import (
    BOTH_SIDES,
    COMMON,
    LARGEST_FACTOR,
    WITHIN_MODALITY,
    effects_table,
)
from commissure.phantom.cohort.treatments import draw_trials
from commissure.phantom.person import GROUPS, Group, Person, Scanner

if TYPE_CHECKING:
    pass

#: One patient in so many of the responsive ones looks resistant because he did not take his doses.
PSEUDO_RESISTANT_EVERY = 12

#: Effects on what is not an image marker, in SD: patients, and resistant ones on top.
MOTION_D = (0.3, 0.3)
ONSET_D = -0.55

MEAN_FD_MM, MEAN_FD_LOG_SD = 0.12, 0.4
ONSET_YEARS, ONSET_SD_YEARS = 24.0, 5.0

#: What decides who lacks a modality.
Missingness = Literal["random", "site", "severity"]
MISSINGNESS: tuple[Missingness, ...] = ("random", "site", "severity")

#: Severity in SD that a group adds to what its markers share; it decides only who comes to a scan.
SEVERITY_D = (0.5, 0.5)

_SCANNERS = (
    {"manufacturer": "Siemens", "model": "Phantom P3"},
    {"manufacturer": "GE", "model": "Phantom G3", "t1w_gamma": 1.12, "snr_factor": 0.85},
    {"manufacturer": "Philips", "model": "Phantom A3", "t1w_gamma": 0.92, "snr_factor": 1.10},
)


def draw_cohort(
    *,
    controls: int,
    responsive: int,
    resistant: int,
    sites: int = 2,
    site_balance: float = 0.2,
    site_people: Sequence[tuple[int, int, int]] = (),
    missing: float = 0.08,
    missing_by: Missingness = "random",
    effects: float = 1.0,
    patient_effects: float = 1.0,
    resistant_effects: float = 1.0,
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
    site_people
        (controls, responsive, resistant) of each site, instead of the five numbers above.
    missing
        Probability with which each modality of a person is missing. Each modality is missing in at
        least one of eight or more people; nobody misses all.
    missing_by
        ``random``: completely at random; ``site``: rising from 0 at the first site to twice the
        probability at the last; ``severity``: rising likewise with the severity of the illness,
        from the best off to the worst.
    effects
        Factor on every difference between groups; 0 gives a cohort without any.
    patient_effects, resistant_effects
        Further factors on the two layers: patients against controls, resistant against responsive.
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
    _refuse_numbers(site_people, missing, missing_by, len(site_people) or sites)
    if site_people:
        controls, responsive, resistant = (sum(counts) for counts in zip(*site_people, strict=True))
        sites = len(site_people)
    _refuse_impossible(controls, responsive, resistant, sites, site_balance)
    for name, factor in (
        ("effects", effects),
        ("patient-effects", effects * patient_effects),
        ("resistant-effects", effects * resistant_effects),
    ):
        if not 0 <= factor <= LARGEST_FACTOR:
            raise ConfigError(
                f"--{name}",
                found=f"a factor of {factor} on the planted effects",
                wanted=f"a number from 0 (none) to {LARGEST_FACTOR:g} (so many times the published "
                "size)",
            )
    on_patients, on_resistant = effects * patient_effects, effects * resistant_effects
    counts = dict(zip(GROUPS, (controls, responsive, resistant), strict=True))
    rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    people: list[tuple[Group, int]] = [
        (group, site)
        for place, (group, count) in enumerate(counts.items())
        for site, size in enumerate(
            [own[place] for own in site_people] or _by_site(group, count, sites, site_balance)
        )
        for _ in range(size)
    ]
    people = [people[i] for i in rng.permutation(len(people))]
    n = len(people)
    groups = np.array([group for group, _ in people])
    resistant_one = groups == "resistant"
    patient = groups != "control"
    onset, years_ill = _onset_and_duration(n, rng)
    age = onset + years_ill
    onset = onset + on_resistant * ONSET_D * ONSET_SD_YEARS * resistant_one
    male = rng.random(n) < np.where(patient, 0.6, 0.5)
    common = rng.standard_normal(n)
    factors = (on_patients, on_resistant)
    markers = draw_markers(
        age, male, patient, resistant_one, common=common, factors=factors, rng=rng
    )
    layers = on_patients * MOTION_D[0] * patient + on_resistant * MOTION_D[1] * resistant_one
    motion = MEAN_FD_MM * np.exp(MEAN_FD_LOG_SD * (rng.standard_normal(n) + layers))
    severity = SEVERITY_D[0] * patient + SEVERITY_D[1] * resistant_one - common
    places = np.array([site for _, site in people])
    acquired = _acquired(_chance_to_miss(missing, missing_by, places, severity), rng)
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


def _refuse_impossible(
    controls: int,
    responsive: int,
    resistant: int,
    sites: int,
    site_balance: float,
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
    if not 0 <= site_balance <= 1:
        raise ConfigError("--site-balance", found=f"{site_balance}", wanted="a number from 0 to 1")


def _refuse_numbers(
    site_people: Sequence[tuple[int, int, int]], missing: float, missing_by: str, sites: int
) -> None:
    if any(count < 0 for counts in site_people for count in counts):
        raise ConfigError("--site", found=f"{site_people}", wanted="numbers of people, 0 or more")
    if any(sum(counts) == 0 for counts in site_people):
        raise ConfigError("--site", found="a site without people", wanted="at least one person")
    if not 0 <= missing <= 0.5:
        raise ConfigError(
            "--missing",
            found=f"{missing}: more would be missing than present",
            wanted="a number from 0 to 0.5",
        )
    if missing_by not in MISSINGNESS:
        raise ConfigError(
            "--missing-by", found=missing_by, wanted=f"one of {', '.join(MISSINGNESS)}"
        )
    if missing_by == "site" and sites < 2:
        raise ConfigError("--missing-by", found="site, with one site", wanted="two sites or more")


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
    there = rng.random((n, len(MODALITIES))) >= missing[:, None]
    for person in np.flatnonzero(~there.any(axis=1)):
        there[person, rng.integers(len(MODALITIES))] = True
    if missing.any() and n >= 8:
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
