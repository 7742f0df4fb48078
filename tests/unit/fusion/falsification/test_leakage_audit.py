import importlib.util
from types import ModuleType

import numpy as np
import pytest

from commissure.fusion.falsification import leakage_audit as audit
from commissure.models.preparation import Preparation

LEAKS = (
    "selection", "scaling", "imputation", "ComBat", "ComBat with the label", "residualisation",
    "vulnerability index", "its controls of all folds", "tuning on the outer fold",
    "threshold on the test fold",
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


def test_the_model_of_vulnerability_indices_raises_no_alarm(leaks) -> None:
    assert [leaks.vulnerability_alarms(seed) for seed in range(50, 53)] == [[]] * 3


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
    found = audit.label_copy_verdict(plain_design(x), y)
    assert found.passed is False and found.value == 1.0
    # Three against three are in perfect order once in ten times.
    assert audit.label_copy_verdict(plain_design(x[:6]), y[:6]).passed is None
    x[:, 2] = 2 * y + rng.normal(size=40)  # d = 2 is a large effect and no copy
    assert audit.label_copy_verdict(plain_design(x), y).passed is True


def test_a_post_outcome_column_that_was_let_through_is_told() -> None:
    found = audit.post_outcome_verdict(["hospitalisations"], ["age", "hospitalisations"])
    assert found.passed is False
    assert "hospitalisations follow or define the outcome" in found.description
