"""Which strategy of denoising leaves least of head motion in the connectivity of a cohort."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commissure.func.strategy_edges import StrategyEdges
from commissure.markers.acquisitions import acquisition_of, task_of
from commissure.markers.selection import kept_rows
from commissure.markers.status import read_statuses
from commissure.markers.visits import baseline_rows
from commissure.outputs import QC_FC
from commissure.study.motion_edges import MotionInEdges, motion_in_edges
from commissure.study.qc_fc_settings import QcFcSettings

#: Motion is left where the median exceeds so many times what chance leaves, or the absolute
#: correlation with distance exceeds so much, and chance does so in at most so many deals. Two
#: numbers are looked at, so that the last is half of 0.05.
MEDIAN_OVER_CHANCE, DISTANCE_RHO, P_MAX = 1.5, 0.1, 0.025

#: A strategy that leaves fewer of the people than this share of the most costs too much.
PEOPLE_KEPT = 0.9

#: Pairs that are looked at, evenly spaced: bounds the memory with fine atlases and many people.
PAIRS = 10_000

#: Share of the people who must have a covariate.
COVARIATE_KNOWN = 0.9

#: A covariate takes people's information: at most one for so many people.
PEOPLE_PER_COVARIATE = 5


@dataclass(frozen=True)
class CohortEdges:
    """Connectivity of everybody at the baseline, by strategy.

    Attributes
    ----------
    people
        Identifiers; N of them.
    strategies, in_use
        Names; the one that most people's markers are made by.
    z
        Shape (S, N, E), float16, the mean over a person's runs; NaN where there is none.
    degrees
        Shape (S, N): degrees of freedom, NaN where the strategy leaves nothing.
    displacement_mm
        Shape (N,): mean framewise displacement, over the runs.
    distances_mm
        Shape (E,).
    """

    people: tuple[str, ...]
    strategies: tuple[str, ...]
    in_use: str
    z: np.ndarray
    degrees: np.ndarray
    displacement_mm: np.ndarray
    distances_mm: np.ndarray


def cohort_edges(
    statuses: Iterable[Path | str],
    output_dir: Path,
    exclusions: pd.DataFrame,
    visits: pd.DataFrame,
) -> CohortEdges | None:
    """Read the connectivity by strategy of everybody whose BOLD enters the models.

    Parameters
    ----------
    statuses
        Status tables of measuring.
    output_dir
        The run's output folder.
    exclusions, visits
        As in ``exclusions.tsv`` and ``visits.tsv``.

    Returns
    -------
    CohortEdges or None
        None where nobody has any.

    Raises
    ------
    DatasetError
        A file cannot be read.
    """
    found = [
        (row.participant_id, row.session, "func", output_dir / row.folder / name)
        for table in statuses
        for row in read_statuses(table)
        if row.step == "measure" and row.state == "present"
        for name in row.files
        if name.endswith("_desc-strategies_relmat.npz")
    ]
    files = pd.DataFrame(found, columns=["participant_id", "session", "modality", "path"])
    files = baseline_rows(kept_rows(files, exclusions), visits)
    if files.empty:
        return None
    files = _one_kind_each(files)
    by_person = {
        str(person): [StrategyEdges.read(path) for path in sorted(rows["path"])]
        for person, rows in files.groupby("participant_id", sort=True)
    }
    return joined(by_person)


def _one_kind_each(files: pd.DataFrame) -> pd.DataFrame:
    """Files of one task and acquisition of each person: that which most people have."""
    kinds = [f"{task_of(path)}\t{acquisition_of(path)}" for path in files["path"]]
    files = files.assign(kind=kinds)
    people = files.groupby("kind")["participant_id"].nunique()
    order = sorted(people.index, key=lambda kind: (-people[kind], kind))
    place = files["kind"].map({kind: number for number, kind in enumerate(order)})
    return files[place == place.groupby(files["participant_id"]).transform("min")]


def joined(by_person: dict[str, list[StrategyEdges]]) -> CohortEdges | None:
    """Lay people side by side; runs of one person are averaged.

    People with other parcels than most, as of an earlier configuration, stay out.
    """
    parcels = Counter(run.parcels for runs in by_person.values() for run in runs)
    usual = parcels.most_common(1)[0][0]
    by_person = {
        person: kept
        for person, runs in by_person.items()
        if (kept := [run for run in runs if run.parcels == usual])
    }
    runs = [run for each in by_person.values() for run in each]
    strategies = tuple(dict.fromkeys(name for run in runs for name in run.strategies))
    distances = runs[0].distances_mm()
    chosen = np.arange(len(distances))
    if len(chosen) > PAIRS:
        chosen = np.linspace(0, len(distances) - 1, PAIRS).round().astype(int)
    z = np.full((len(strategies), len(by_person), len(chosen)), np.nan, np.float16)
    degrees = np.full(z.shape[:2], np.nan)
    for column, own in enumerate(by_person.values()):
        for row, name in enumerate(strategies):
            having = [(run, run.strategies.index(name)) for run in own if name in run.strategies]
            z[row, column] = _mean([run.z[k][chosen].astype(float) for run, k in having])
            left = [run.degrees[k] for run, k in having if np.isfinite(run.z[k]).any()]
            degrees[row, column] = np.mean(left) if left else np.nan
    return CohortEdges(
        people=tuple(by_person),
        strategies=strategies,
        in_use=Counter(run.in_use for run in runs).most_common(1)[0][0],
        z=z,
        degrees=degrees,
        displacement_mm=np.array(
            [np.mean([run.mean_fd_mm for run in own]) for own in by_person.values()]
        ),
        distances_mm=distances[chosen],
    )


def _mean(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over runs of what is known; NaN where nothing is."""
    if not parts:
        return np.array(np.nan)
    stack = np.stack(parts)
    known = np.isfinite(stack)
    sums = np.where(known, stack, 0).sum(axis=0)
    return np.divide(
        sums, known.sum(axis=0), out=np.full(len(sums), np.nan), where=known.any(axis=0)
    )


def qc_fc(
    cohort: CohortEdges | None,
    people: pd.DataFrame,
    settings: QcFcSettings,
    *,
    min_degrees_of_freedom: float,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Compare the strategies of denoising over a cohort.

    Parameters
    ----------
    cohort
        Of :func:`cohort_edges`.
    people
        As in ``participants.tsv``.
    settings
        Covariates, the least number of people, permutations.
    min_degrees_of_freedom
        A strategy with a smaller median costs too much.

    Returns
    -------
    table
        The columns of :data:`commissure.outputs.QC_FC`, one row per strategy.
    record
        What ``qc_fc.json`` holds: the sentence, the rule, the curves over distance.
    """
    if cohort is None:
        sentence = "Nobody has connectivity, so that strategies of denoising cannot be compared."
        return QC_FC.frame(), {"people": 0, "sentence": sentence, "verdict": None}
    covariates, names = _covariates(cohort.people, people, settings)
    present = np.isfinite(cohort.z).any(axis=2)
    rows, curves = [], {}
    for number, name in enumerate(cohort.strategies):
        who = present[number]
        result = motion_in_edges(
            cohort.z[number][who].astype(np.float32),
            cohort.displacement_mm[who],
            cohort.distances_mm,
            covariates[who],
            permutations=settings.permutations,
        )
        curves[name] = [] if result is None else result.curve
        degrees = float(np.median(cohort.degrees[number][who])) if who.any() else float("nan")
        lost = int(present.sum(axis=1).max() - who.sum())
        enough = who.sum() >= PEOPLE_KEPT * (who.sum() + lost)
        rows.append(
            {
                **({} if result is None else vars(result)),
                "strategy": name,
                "in_use": name == cohort.in_use,
                "people": int(who.sum()),
                "people_lost": lost,
                "degrees_of_freedom": degrees,
                "motion_left": None if result is None else motion_left(result),
                "affordable": bool(enough and degrees > min_degrees_of_freedom),
            }
        )
    table = QC_FC.frame({name: row.get(name) for name in QC_FC.names} for row in rows)
    sentence, verdict = _verdict(table, len(cohort.people), settings)
    return table, {
        "people": len(cohort.people),
        "covariates": names,
        "mean_fd_mm": {
            "median": float(np.median(cohort.displacement_mm)),
            "low": float(cohort.displacement_mm.min()),
            "high": float(cohort.displacement_mm.max()),
        },
        "min_people": settings.min_people,
        "rule": _rule(min_degrees_of_freedom),
        "verdict": verdict,
        "sentence": sentence,
        "curves": curves,
    }


def motion_left(result: MotionInEdges) -> bool:
    """Whether connectivity follows motion beyond the limits, and beyond what chance does."""
    much = result.median_abs_r > MEDIAN_OVER_CHANCE * result.expected_abs_r
    near = abs(result.distance_rho) > DISTANCE_RHO
    return bool((much and result.p_median <= P_MAX) or (near and result.p_distance <= P_MAX))


def _excess(row: pd.Series) -> float:
    """The worse of a strategy's two numbers, each against its limit."""
    return max(
        row["median_abs_r"] / (MEDIAN_OVER_CHANCE * row["expected_abs_r"]),
        abs(row["distance_rho"]) / DISTANCE_RHO,
    )


def _rule(min_degrees_of_freedom: float) -> str:
    return (
        f"A strategy is affordable that leaves at least {100 * PEOPLE_KEPT:.0f} % of the people "
        f"whom any strategy leaves, and a median of more than {min_degrees_of_freedom:g} degrees "
        f"of freedom. Motion is left where the median |r| exceeds {MEDIAN_OVER_CHANCE:g} times its "
        f"expectation, or |ρ| with distance exceeds {DISTANCE_RHO:g}, and chance does so with p "
        f"of at most {P_MAX:g}. Of the affordable strategies, and among them of those without "
        "motion left if there are any, the one is supported that stays furthest from its limits."
    )


def _verdict(
    table: pd.DataFrame, people: int, settings: QcFcSettings
) -> tuple[str, dict[str, Any] | None]:
    """The sentence for the reader, and the verdict as data."""
    if people < settings.min_people:
        return (
            f"{people} people with connectivity are too few to say which strategy of denoising "
            f"this cohort supports; {settings.min_people} are needed.",
            None,
        )
    known = table[table["median_abs_r"].notna()]
    if known.empty:
        return "No strategy leaves enough to compare.", None
    choice = known[known["affordable"].astype(bool)]
    if choice.empty:
        return (
            "Every strategy costs too many people or degrees of freedom in this cohort: longer "
            "runs or a strategy with fewer confounds are needed.",
            {"supported": None, "motion_left": None},
        )
    clean = choice[~choice["motion_left"].astype(bool)]
    pool = clean if len(clean) else choice
    best = pool.iloc[int(np.argmin([_excess(row) for _, row in pool.iterrows()]))]
    used = table[table["in_use"].astype(bool)].iloc[0]
    rho = f"{best['distance_rho']:.2f}".replace("-", "−")
    numbers = f"(median |r| {best['median_abs_r']:.3f}, ρ with distance {rho})"
    verdict = {"supported": best["strategy"], "motion_left": bool(best["motion_left"])}
    if not len(clean):
        return (
            f"Every affordable strategy leaves head motion in the connectivity of this cohort; "
            f"{best['strategy']} leaves least {numbers}.",
            verdict,
        )
    if used["strategy"] == best["strategy"]:
        return f"This cohort supports {best['strategy']}, which is in use {numbers}.", verdict
    of_used = _words(used)
    return f"This cohort supports {best['strategy']} {numbers}; {of_used}.", verdict


def _words(used: pd.Series) -> str:
    name = f"{used['strategy']}, which is in use,"
    if not bool(used["affordable"]):
        return f"{name} costs too many people or degrees of freedom"
    if bool(used["motion_left"]):
        return f"{name} leaves head motion in it"
    return f"{name} is within the limits too, and need not be changed"


def _covariates(
    who: Sequence[str], people: pd.DataFrame, settings: QcFcSettings
) -> tuple[np.ndarray, list[str]]:
    """Columns of the people as numbers, and their names; as many as the people can bear.

    A column that a tenth of the people lack is left out, and what few lack is the mean.
    """
    table = people.set_index("participant_id").reindex(list(who))
    columns: list[np.ndarray] = []
    names: list[str] = []
    for name in settings.covariates:
        if name not in table or table[name].isna().mean() > 1 - COVARIATE_KNOWN:
            continue
        coded = _coded(table[name], words=name in ("sex", "site"))
        if coded.shape[1] and (len(columns) + coded.shape[1]) * PEOPLE_PER_COVARIATE <= len(who):
            columns += list(coded.T)
            names.append(name)
    return np.array(columns).T.reshape(len(who), len(columns)), names


def _coded(column: pd.Series, *, words: bool) -> np.ndarray:
    numbers = pd.to_numeric(column, errors="coerce")
    if not words and numbers.notna().any():
        coded = numbers.to_numpy(float)[:, None]
    else:
        levels = sorted({str(value) for value in column.dropna()})
        text = column.map(lambda value: "" if pd.isna(value) else str(value))
        coded = np.array([np.where(text == "", np.nan, text == level) for level in levels[1:]])
        coded = coded.T.reshape(len(column), -1).astype(float)
    known = np.isfinite(coded)
    means = np.where(known, coded, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    coded = np.where(known, coded, means)
    return coded[:, coded.std(axis=0) > 0]
