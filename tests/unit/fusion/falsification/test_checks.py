import json

import numpy as np
import pandas as pd
import pytest

from commissure.evaluation.auc import NO_AUC, AucEstimate
from commissure.evaluation.held_out import HeldOut
from commissure.evaluation.null_distribution import NullDistribution
from commissure.fusion.falsification.checks import (
    baseline_verdict,
    calibration_verdict,
    null_verdict,
    site_verdict,
    transport_verdict,
)


def given(areas, variance: float = 0.01) -> NullDistribution:
    table = np.atleast_2d(np.array(areas, float))
    return NullDistribution(table, np.full(table.shape, variance))


def test_verdicts_on_permuted_labels() -> None:
    fair = null_verdict(given(0.5 + 0.1 * np.tile([-1, 1], 50)))
    leaky = null_verdict(given(0.7 + 0.1 * np.tile([-1, 1], 50)))
    assert (fair.passed, leaky.passed, null_verdict(None).passed) == (True, False, None)


@pytest.mark.filterwarnings("error")
def test_permutations_without_a_number_are_no_leak() -> None:
    nobody = null_verdict(given([0.6, *[np.nan] * 60]))
    assert nobody.passed is None and "leak" not in nobody.description
    some = null_verdict(given(np.r_[0.6, 0.5 + 0.1 * np.tile([-1, 1], 50), np.nan]))
    assert some.passed is True and some.description.startswith("100 ")
    assert given([0.6, *[np.nan] * 60]).widening(1) == 1.0


def estimate(value: float, error: float = 0.03) -> AucEstimate:
    return AucEstimate(value, value - 1.96 * error, value + 1.96 * error, error, "DeLong")


@pytest.mark.parametrize(
    ("site", "within", "pooled", "expected"),
    [
        (0.55, 0.70, 0.70, True),  # labels are spread evenly
        (0.75, 0.70, 0.80, True),  # unevenly, but people of one site are told apart
        (0.75, 0.50, 0.75, False),  # only the pooled AUC exceeds chance: the site's
        (0.75, 0.50, 0.52, None),  # nothing to explain
    ],
)
def test_the_site_fails_only_where_it_can_be_the_result(site, within, pooled, expected) -> None:
    main = {"within": estimate(within), "pooled": estimate(pooled)}
    assert site_verdict(estimate(site), main).passed is expected


def test_markers_that_turn_round_between_sites_do_not_transport() -> None:
    def verdict(within: float, away: float, error: float = 0.04) -> bool | None:
        areas = {"within": estimate(within), "left_out": estimate(away, error)}
        return transport_verdict(areas, "late").passed

    assert verdict(0.85, 0.133) is False
    assert verdict(0.50, 0.133) is False
    assert verdict(0.85, 0.55) is False
    assert verdict(0.70, 0.66) is True
    assert verdict(0.60, 0.48) is None
    assert transport_verdict({"within": estimate(0.7), "left_out": NO_AUC}, "late").passed is None


def test_a_baseline_fails_only_beyond_chance() -> None:
    for value, error, expected in ((0.65, 0.02, False), (0.65, 0.08, None), (0.55, 0.01, True)):
        confounds = AucEstimate(value, 0.0, 1.0, error, "DeLong")
        verdict = baseline_verdict(confounds, "age alone reaches", "the late model 0.70")
        assert verdict.passed is expected


def test_logits_twice_too_large_are_called_overconfident() -> None:
    # methods C9, T10: slope 0.5.
    rng = np.random.default_rng(4)
    logit = rng.normal(size=600)
    y = (rng.random(600) < 1 / (1 + np.exp(-logit))).astype(int)

    def verdict(logits: np.ndarray):
        one_fold = np.full(600, "1")
        return calibration_verdict([HeldOut(y, one_fold, one_fold, logits)], "late")

    assert verdict(logit).passed is True
    found = verdict(2 * logit)
    assert found.passed is False and found.value == pytest.approx(0.5, abs=0.12)
    assert verdict(logit / 3).passed is True


@pytest.mark.slow
def test_signal_that_is_only_motion_adds_nothing_to_the_confounds(make_study) -> None:
    # methods C9, T5: motion differs by class, markers depend on motion only.
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
