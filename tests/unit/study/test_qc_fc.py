"""Cohorts with planted head motion in their connectivity, and cohorts without."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, spearmanr

from commissure.files import write_json
from commissure.func.strategy_edges import StrategyEdges
from commissure.images.atlas import schaefer
from commissure.markers.status import Status, write_statuses
from commissure.outputs import EXCLUSIONS, QC_FC, VISITS
from commissure.study.motion_edges import motion_in_edges
from commissure.study.qc_fc import CohortEdges, cohort_edges, joined, motion_left, qc_fc
from commissure.study.qc_fc_settings import QcFcSettings

LABELS = schaefer(100).labels
FIRST, SECOND = np.triu_indices(100, 1)
PLACES = LABELS[["x_mm", "y_mm", "z_mm"]].to_numpy(float)
DISTANCES = np.linalg.norm(PLACES[FIRST] - PLACES[SECOND], axis=1)
SETTINGS = QcFcSettings(covariates=[], permutations=99)


def people_of(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Connectivity, displacement and standardised displacement of people who differ in much else.

    Each has a level of connectivity, a smoothness and four networks of their own, so that pairs
    depend on each other as in people.
    """
    rng = np.random.default_rng(seed)
    networks = rng.normal(size=(4, 100))
    patterns = [np.ones(len(DISTANCES)), np.exp(-DISTANCES / 30)]
    patterns += [0.5 * each[FIRST] * each[SECOND] for each in networks]
    z = 0.2 + 0.3 * np.exp(-DISTANCES / 30) + 0.12 * rng.normal(size=(count, len(DISTANCES)))
    z += 0.06 * rng.normal(size=(count, 6)) @ np.array(patterns)
    moved = np.exp(rng.normal(np.log(0.15), 0.6, count))
    return z, moved, (moved - moved.mean()) / moved.std()


def cohort(
    *, count: int = 50, seed: int = 1, effects: dict[str, float] | None = None, degrees=None
) -> CohortEdges:
    """People whose near pairs follow motion by ``effects`` of each strategy."""
    effects = {"used": 0.0, "other": 0.0} if effects is None else effects
    z, moved, standard = people_of(count, seed)
    rng = np.random.default_rng(seed + 1000)
    near = standard[:, None] * np.exp(-DISTANCES / 40)
    by_strategy = [
        z + effect * near + 0.02 * rng.normal(size=z.shape) for effect in effects.values()
    ]
    return CohortEdges(
        people=tuple(f"sub-{k:03d}" for k in range(count)),
        strategies=tuple(effects),
        in_use="used",
        z=np.array(by_strategy, np.float16),
        degrees=np.repeat(
            np.array([(degrees or {}).get(n, 60.0) for n in effects])[:, None], count, 1
        ),
        displacement_mm=moved,
        distances_mm=DISTANCES,
    )


def people(edges: CohortEdges, **columns) -> pd.DataFrame:
    return pd.DataFrame({"participant_id": edges.people, **columns})


def compared(edges: CohortEdges, settings: QcFcSettings = SETTINGS, **columns):
    table, record = qc_fc(edges, people(edges, **columns), settings, min_degrees_of_freedom=30)
    return table.set_index("strategy"), record


def test_every_number_is_that_of_scipy():
    z, moved, _ = people_of(30, 3)
    z = z[:, ::40]
    distances = DISTANCES[::40]
    result = motion_in_edges(z, moved, distances, np.zeros((30, 0)), permutations=19)
    pairs = [pearsonr(column, moved) for column in z.T]
    r = np.array([pair.statistic for pair in pairs])
    assert result.median_abs_r == pytest.approx(np.median(np.abs(r)))
    assert result.significant_percent == pytest.approx(
        100 * np.mean([p.pvalue < 0.05 for p in pairs])
    )
    assert result.distance_rho == pytest.approx(spearmanr(r, distances).statistic)
    assert result.distance_slope == pytest.approx(100 * np.polyfit(distances, r, 1)[0])
    assert result.expected_abs_r == pytest.approx(np.sqrt(2 / (np.pi * 27)))
    assert len(result.curve) == 10 and result.pairs == len(distances)


def test_partial_correlations_are_those_of_residuals():
    z, moved, _ = people_of(40, 4)
    z, distances = z[:, ::100], DISTANCES[::100]
    rng = np.random.default_rng(1)
    covariates = np.column_stack([rng.normal(size=40), moved + rng.normal(size=40)])
    result = motion_in_edges(z, moved, distances, covariates, permutations=19)
    model = np.column_stack([np.ones(40), covariates])
    left = [y - model @ np.linalg.lstsq(model, y, rcond=None)[0] for y in (*z.T, moved)]
    r = [pearsonr(each, left[-1]).statistic for each in left[:-1]]
    assert result.median_abs_r == pytest.approx(np.median(np.abs(r)))


def test_motion_in_near_pairs_is_found_and_the_strategy_that_removes_it_is_named():
    table, record = compared(cohort(effects={"used": 0.1, "half": 0.06, "clean": 0.0}))
    assert list(table["motion_left"]) == [True, True, False]
    assert record["verdict"] == {"supported": "clean", "motion_left": False}
    assert record["sentence"].startswith("This cohort supports clean (median |r| 0.")
    assert record["sentence"].endswith("used, which is in use, leaves head motion in it.")
    assert table.loc["used", "distance_rho"] < -0.3
    assert table.loc["used", "median_abs_r"] > table.loc["clean", "chance_high"]
    assert table.loc["used", "significant_percent_fdr"] > 0.5
    assert table.loc["clean", "significant_percent_fdr"] == 0


def test_motion_everywhere_is_found_without_help_of_distance():
    edges = cohort()
    z = edges.z.astype(float)
    standard = (edges.displacement_mm - edges.displacement_mm.mean()) / edges.displacement_mm.std()
    z[0] += 0.1 * standard[:, None]
    table, record = compared(dataclasses.replace(edges, z=z))
    assert table.loc["used", "median_abs_r"] > 1.5 * table.loc["used", "expected_abs_r"]
    assert record["verdict"]["supported"] == "other"


@pytest.mark.parametrize("count", [20, 60])
def test_cohorts_without_motion_in_them_are_not_accused(count):
    """Two numbers at p = 0.025 each: 5 % by chance, so that four of 24 would be too many."""
    accused = 0
    for seed in range(24):
        z, moved, _ = people_of(count, 100 + seed)
        result = motion_in_edges(z, moved, DISTANCES, np.zeros((count, 0)), permutations=99)
        accused += motion_left(result)
    assert accused <= 3


def test_a_clean_cohort_gives_no_reason_to_change():
    _, record = compared(cohort())
    assert record["verdict"]["motion_left"] is False
    if record["verdict"]["supported"] == "used":
        assert "used, which is in use" in record["sentence"]
    else:
        assert record["sentence"].endswith("is within the limits too, and need not be changed.")


def test_a_strategy_that_costs_too_much_is_not_supported():
    edges = cohort(
        effects={"used": 0.1, "costly": 0.0, "lossy": 0.0, "half": 0.05}, degrees={"costly": 12.0}
    )
    z = edges.z.copy()
    z[2, :8] = np.nan
    table, record = compared(dataclasses.replace(edges, z=z))
    assert list(table["affordable"]) == [True, False, False, True]
    assert table.loc["lossy", "people_lost"] == 8
    assert record["verdict"] == {"supported": "half", "motion_left": True}
    assert record["sentence"].startswith("Every affordable strategy leaves head motion")


def test_few_people_get_numbers_and_no_verdict():
    table, record = compared(cohort(count=19, effects={"used": 0.1, "clean": 0.0}))
    assert record["verdict"] is None
    assert record["sentence"] == (
        "19 people with connectivity are too few to say which strategy of denoising this cohort "
        "supports; 20 are needed."
    )
    assert table["median_abs_r"].notna().all()
    tiny, record = compared(cohort(count=4))
    assert tiny["median_abs_r"].isna().all() and record["verdict"] is None


def test_a_site_whose_people_move_more_is_taken_out():
    """Two sites differ in motion and in connectivity; within each there is nothing."""
    edges = cohort(count=60)
    site = np.arange(60) % 2
    moved = edges.displacement_mm * np.where(site, 3.0, 1.0)
    z = edges.z.astype(float) + 0.15 * site[:, None] * np.exp(-DISTANCES / 40)
    edges = dataclasses.replace(edges, z=z, displacement_mm=moved)
    raw, _ = compared(edges)
    assert raw["motion_left"].all()
    settings = QcFcSettings(permutations=99)
    freed, record = compared(edges, settings, site=np.where(site, "b", "a"), age=30.0)
    assert record["covariates"] == ["site"]
    assert not freed["motion_left"].any()


def test_covariates_are_as_many_as_the_people_bear_and_gaps_are_filled():
    edges = cohort(count=25)
    rng = np.random.default_rng(2)
    age = rng.normal(30, 5, 25)
    age[0] = np.nan
    sex = np.where(rng.random(25) < 0.5, "F", "M")
    settings = QcFcSettings(permutations=19)
    many = [f"s{k}" for k in range(25)]
    _, record = compared(edges, settings, age=age, sex=sex, site=many)
    assert record["covariates"] == ["age", "sex"]
    age[:4] = np.nan
    _, record = compared(edges, settings, age=age, sex=sex)
    assert record["covariates"] == ["sex"]


def edges_of(
    person: int, *, shift: float = 0.0, count: int = 100, fd: float | None = None
) -> StrategyEdges:
    rng = np.random.default_rng(person)
    z = rng.normal(0.2, 0.1, size=(2, count * (count - 1) // 2)).astype(np.float16) + np.float16(
        shift
    )
    return StrategyEdges(
        ("used", "other"), "used", z, np.array([40.0, 33.0]), tuple(LABELS["name"][:count]),
        PLACES[:count].astype(np.float32), 0.1 + 0.01 * person if fd is None else fd,
    )  # fmt: skip


def test_runs_of_a_person_are_averaged_and_other_parcels_stay_out():
    result = joined({
        "sub-01": [edges_of(1, fd=0.1), edges_of(1, shift=0.5, fd=0.3)],
        "sub-02": [edges_of(2)], "sub-03": [edges_of(3, count=90)],
    })  # fmt: skip
    assert result.people == ("sub-01", "sub-02")
    np.testing.assert_allclose(
        result.z[0, 0].astype(float), edges_of(1).z[0].astype(float) + 0.25, atol=2e-3
    )
    assert result.displacement_mm[0] == pytest.approx(0.2)
    assert result.degrees[1, 0] == 33


def test_files_of_the_baseline_and_of_people_in_the_models_are_read(tmp_path):
    rows = []
    for person, session in (
        ("sub-01", "ses-1"),
        ("sub-01", "ses-2"),
        ("sub-02", "ses-1"),
        ("sub-03", "ses-1"),
    ):
        name = f"{person}_{session}_task-rest_desc-strategies_relmat.npz"
        folder = tmp_path / person / session / "func"
        folder.mkdir(parents=True)
        edges_of(int(person[-1]), shift=3.0 if session == "ses-2" else 0.0).write(folder / name)
        scan = f"{person}/{session}/func/{person}_{session}_task-rest_bold.nii.gz"
        rows.append(Status(person, session, "func", scan, "measure", "present", files={name: 1}))
    write_statuses(rows, tmp_path / "status.tsv")
    visits = VISITS.frame(
        [
            (r.participant_id, r.session, "baseline" if r.session == "ses-1" else "followup", None)
            for r in rows
        ]
    )
    out = EXCLUSIONS.frame([("sub-03", "ses-1", "func", "max_mean_fd_mm", "0.5", 0.9)])
    result = cohort_edges([tmp_path / "status.tsv"], tmp_path, out, visits)
    assert result.people == ("sub-01", "sub-02")
    assert float(np.nanmax(result.z.astype(float))) < 1.5
    assert cohort_edges([], tmp_path, out, visits) is None
    table, record = qc_fc(None, people(result), SETTINGS, min_degrees_of_freedom=30)
    assert table.empty and list(table) == QC_FC.names and record["people"] == 0


def test_tasks_of_a_person_are_not_averaged(tmp_path):
    """Rest counts, which everybody has; who has nothing else keeps the other task."""
    rows = []
    for person, task in (
        ("sub-01", "rest"),
        ("sub-01", "film"),
        ("sub-02", "rest"),
        ("sub-03", "film"),
    ):
        name = f"{person}_task-{task}_desc-strategies_relmat.npz"
        folder = tmp_path / person / "func"
        folder.mkdir(parents=True, exist_ok=True)
        edges_of(int(person[-1]), fd=0.1 if task == "rest" else 0.7).write(folder / name)
        scan = f"{person}/func/{person}_task-{task}_bold.nii.gz"
        rows.append(Status(person, "", "func", scan, "measure", "present", files={name: 1}))
    # One more at rest, so that rest is what most have.
    edges_of(4, fd=0.1).write(tmp_path / "sub-04/func/sub-04_task-rest_desc-strategies_relmat.npz")
    rows.append(Status("sub-04", "", "func", "sub-04/func/sub-04_task-rest_bold.nii.gz", "measure", "present",
                       files={"sub-04_task-rest_desc-strategies_relmat.npz": 1}))  # fmt: skip
    write_statuses(rows, tmp_path / "status.tsv")
    people_there = sorted({row.participant_id for row in rows})
    visits = VISITS.frame([(p, "", "baseline", None) for p in people_there])
    result = cohort_edges([tmp_path / "status.tsv"], tmp_path, EXCLUSIONS.frame(), visits)
    assert result.people == tuple(people_there)
    np.testing.assert_allclose(result.displacement_mm, [0.1, 0.1, 0.7, 0.1])


def test_the_record_is_plain_and_the_same_cohort_gives_the_same(tmp_path):
    edges = cohort(effects={"used": 0.05, "clean": 0.0})
    texts = []
    for name in ("a", "b"):
        table, record = qc_fc(edges, people(edges), SETTINGS, min_degrees_of_freedom=30)
        write_json(record, tmp_path / name)
        texts.append((table.to_csv(), (tmp_path / name).read_text()))
    assert texts[0] == texts[1]
    assert len(json.loads(texts[0][1])["curves"]["used"]) == 10
