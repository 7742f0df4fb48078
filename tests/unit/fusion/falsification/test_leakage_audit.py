import importlib.util
from types import ModuleType

import numpy as np
import pytest

from commissure.evaluation.auc import Area
from commissure.fusion.falsification import leakage_audit as audit
from commissure.fusion.falsification.checks import PLANTED_D, audit_checks, baseline_checks
from commissure.fusion.settings import FusionSettings
from commissure.models.preparation import Preparation
from commissure.models.registry import ModelSpec

LEAKS = (
    "selection", "scaling", "imputation", "ComBat", "ComBat with the label", "residualisation",
    "vulnerability index", "tuning on the outer fold", "threshold on the test fold",
    "a person in two folds", "a post-outcome column", "a copy of the label",
)  # fmt: skip


@pytest.fixture(scope="module")
def leaks(repository) -> ModuleType:
    where = importlib.util.spec_from_file_location(
        "fusion_leaks", repository / "benchmarks" / "fusion_leaks.py"
    )
    module = importlib.util.module_from_spec(where)
    where.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LEAKS)
def test_a_planted_leak_is_found(leaks, name: str) -> None:
    assert {*leaks.PROCEDURES, *leaks.TABLES} == set(LEAKS)
    assert leaks.leak_found(name, seed=40)


@pytest.mark.slow
def test_clean_procedures_raise_no_alarm(leaks) -> None:
    assert [leaks.alarms(seed) for seed in range(50, 53)] == [[]] * 3


def test_preparation_does_not_look_at_labels(leaks) -> None:
    # methods C9, T6: the label cannot enter ComBat or anything else that is learnt before a model.
    design, labels, fold = leaks.cohort(0)
    from dataclasses import replace

    block = replace(design.blocks["anat"])
    other = np.where(labels >= 0, 1 - labels, -1)
    first = Preparation(block).fit(design.values[fold.train], labels[fold.train])
    second = Preparation(block).fit(design.values[fold.train], other[fold.train])
    assert first.combat_ is not None
    assert (first.transform(design.values) == second.transform(design.values)).all()


def test_one_person_under_two_names_is_seen_and_likeness_is_not() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 40)) + 3 * rng.normal(size=(60, 1))
    x[5], x[9, 20:] = x[3] + 1e-3, np.nan
    assert audit.same_people(x) == [(3, 5)]
    few = rng.normal(size=(200, 3))
    assert audit.same_people(few) == []
    few[7] = few[8]
    assert audit.same_people(few) == [(7, 8)]


def test_a_copy_needs_enough_people_to_be_one(plain_design) -> None:
    rng = np.random.default_rng(1)
    y = np.arange(40) % 2
    x = rng.normal(size=(40, 5))
    x[:, 2] = y + 0.1 * rng.normal(size=40)
    found = audit.label_copy_check(plain_design(x), y)
    assert found["passed"] is False and found["value"] == 1.0
    # Three against three are in perfect order once in ten times.
    assert audit.label_copy_check(plain_design(x[:6]), y[:6])["passed"] is None
    x[:, 2] = 2 * y + rng.normal(size=40)  # d = 2 is a large effect and no copy
    assert audit.label_copy_check(plain_design(x), y)["passed"] is True


def test_every_study_audits_itself_and_its_audit(plain_design) -> None:
    rng = np.random.default_rng(2)
    y = np.arange(60) % 2
    x = rng.normal(size=(60, 12)) + PLANTED_D / 4 * y[:, None] / np.sqrt(12)
    design = plain_design(x)
    from commissure.study.splits import Fold

    fold = Fold("cv", 0, "1", np.arange(15, 60), np.arange(15))
    spec = ModelSpec("x", "modality", "", ("x",), (design.blocks["x"],))
    settings = FusionSettings(penalties=[1.0, 10.0], inner_folds=3)
    checks = {c["name"]: c for c in audit_checks(design, y, spec, [fold], settings)}
    assert all(one["passed"] for one in checks.values()), checks
    assert checks["planted_leaks"]["value"] == 2


def test_a_post_outcome_column_that_was_let_through_is_told() -> None:
    found = audit.post_outcome_check(["hospitalisations"], ["age", "hospitalisations"])
    assert found["passed"] is False
    assert "hospitalisations follow or define the outcome" in found["description"]


def test_a_baseline_fails_only_beyond_chance() -> None:
    areas = {"late": {"within": Area(0.7, 0.6, 0.8, 0.05, "DeLong")}}
    for value, error, expected in ((0.65, 0.02, False), (0.65, 0.08, None), (0.55, 0.01, True)):
        own = {**areas, "confounds": {"within": Area(value, 0.0, 1.0, error, "DeLong")}}
        checks = {c["name"]: c["passed"] for c in baseline_checks(own, "late")}
        assert checks["confounds_only"] is expected


@pytest.mark.slow
def test_signal_that_is_only_motion_adds_nothing_to_the_confounds(make_study) -> None:
    # methods C9, T5: motion differs by class, markers depend on motion only.
    import json

    import pandas as pd

    study = make_study(n=120, d=0.0)
    rng = np.random.default_rng(3)
    people = pd.read_csv(study.folder / "participants.tsv", sep="\t", na_values="n/a")
    resistant = (
        pd.read_csv(study.folder / "treatments.tsv", sep="\t").groupby("participant_id").size() > 1
    )
    sick = people["participant_id"].isin(resistant[resistant].index).to_numpy()
    motion = rng.normal(size=len(people)) + 2.0 * sick
    path = study.folder / "markers.tsv"
    table = pd.read_csv(path, sep="\t", na_values="n/a")
    own = table["participant_id"].map(dict(zip(people["participant_id"], motion, strict=True)))
    table.loc[table["marker"] == "fc", "value"] += 2.0 * own
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    people.assign(motion=motion).to_csv(
        study.folder / "participants.tsv", sep="\t", index=False, na_rep="n/a"
    )
    metrics = study.run(
        confounds=["motion"], permutations=0, models=["late", "modalities", "confounds"]
    )
    assert metrics["models"]["func"]["auc_within_site"]["value"] > 0.8
    gap = next(row for row in metrics["comparisons"] if row["model"] == "confounds")["delong"]
    assert gap["ci_low"] < 0.02
    checks = json.loads((study.results / "falsification.json").read_text())["checks"]
    found = {check["name"]: check["passed"] for check in checks}
    assert found["confounds_only"] is False and found["beyond_confounds"] is False


def test_logits_twice_too_large_are_called_overconfident() -> None:
    # methods C9, T10: slope 0.5.
    from commissure.fusion.falsification.checks import calibration_check

    rng = np.random.default_rng(4)
    logit = rng.normal(size=600)
    y = (rng.random(600) < 1 / (1 + np.exp(-logit))).astype(int)
    fold = np.full(600, "1")
    assert calibration_check([(logit, fold)], y, "late")["passed"] is True
    found = calibration_check([(2 * logit, fold)], y, "late")
    assert found["passed"] is False and found["value"] == pytest.approx(0.5, abs=0.12)
    assert calibration_check([(logit / 3, fold)], y, "late")["passed"] is True
