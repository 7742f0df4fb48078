"""A private run says what the accountant says, and sends nothing that it did not count."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.unit.federated.hospitals import MARKERS, hospital_federation
from typer.testing import CliRunner

from commissure.cli import app
from commissure.errors import ConfigError, DatasetError
from commissure.federated import private, site_models
from commissure.federated.privacy_budget import PrivacyBudget, Spent, epsilon_of, needed_noise
from commissure.federated.private import Privacy, read_scale
from commissure.federated.question import Question
from commissure.federated.records import Options
from commissure.federated.site import Request, Together
from commissure.federated.site_learning import LocalSteps, LogisticLearner, local_difference
from commissure.federated.study import computed, federate

pytest.importorskip("dp_accounting", reason="the extra 'federated' is not installed")
pytest.importorskip("cryptography", reason="the extra 'federated' is not installed")


@pytest.fixture
def scale(tmp_path):
    """Mean and SD of the markers in other people."""
    rows = pd.DataFrame(
        {
            "modality": "anat",
            "region": [f"region{m}" for m in range(MARKERS)],
            "marker": "volume",
            "unit": "mm3",
            "mean": 1e4,
            "sd": np.sqrt(np.arange(1, MARKERS + 1)),
        }
    )
    rows.to_csv(tmp_path / "scale.tsv", sep="\t", index=False)
    return tmp_path / "scale.tsv"


def asked(scale, epsilon=8.0, **more) -> Privacy:
    return Privacy(epsilon, read_scale(scale), **{"rounds": 10, **more})


def lines(folder):
    return [
        json.loads(line)
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]


@pytest.mark.parametrize("masked", [False, True])
def test_what_is_stated_is_the_accountants_number_of_what_left(folders, tmp_path, scale, masked):
    arguments = ["federate", *map(str, folders), "--out", str(tmp_path / "o"), "--epsilon", "8",
                 "--scale", str(scale), "--rounds", "10", *(["--masked"] * masked)]  # fmt: skip
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "o" / "federated.json").read_text())
    told = result["privacy"]
    left = lines(tmp_path / "o" / "left")
    assert {line["kind"] for line in left} <= {"catalogue", "done", "count", "key", "difference"}
    noisy = [Spent(**line["private"]) for line in left if line["kind"] == "difference"]
    assert len(noisy) == 3 * 10 and all(line["masked"] == masked for line in left
                                        if line["kind"] == "difference")  # fmt: skip
    # What one site sent, in the accountant's own words, and within what was asked for.
    assert told["epsilon"] == pytest.approx(epsilon_of(noisy[:10], told["delta"]))
    assert 7.5 < told["epsilon"] <= 8.01 and told["delta"] <= 1 / told["people"]
    assert f"epsilon {told['epsilon']:.3g} of a person" in done.output
    assert ("one site that works with it" in told["against"]) == masked
    # Three sites share the noise, so that two have all of it.
    shares = 2**0.5 if masked else 1.0
    assert told["noise_of_a_site"] == pytest.approx(told["noise"] / shares)
    assert not (tmp_path / "o" / "federated_markers.tsv").exists()
    assert result["model"]["coefficients"]["anat region0 volume"] > 0.1
    # The same folder again: what was told before counts.
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 1 and "with what left before" in again.output


def test_a_coordinator_that_sends_less_noise_is_refused_by_the_sites_account(
    folders, tmp_path, scale, monkeypatch
):
    monkeypatch.setattr(private, "needed_noise", lambda *given: 0.5 * needed_noise(*given))
    options = Options(privacy=asked(scale))
    with pytest.raises(DatasetError, match=r"site site0, privacy: .*more of its people: epsilon"):
        federate(folders, Question(), out=tmp_path / "o", options=options)
    sent = [line for line in lines(tmp_path / "o" / "left") if line["kind"] == "difference"]
    spent = [Spent(**line["private"]) for line in sent if line["site"] == "site0"]
    assert 1 <= len(spent) < 10 and epsilon_of(spent, 2.0**-7) <= 8.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"person_clip": 0.0}, "people who are not clipped"),
        ({"noise": 0.0}, "without noise"),
        ({"delta": 0.1}, "delta 0.1"),
        ({"noise": 1.0}, "more of its people: epsilon"),
        ({"shared_between": 3}, "0 sites under one mask"),
    ],
)
def test_a_site_refuses_what_its_account_does_not_allow(change, said):
    given = {"noise": 10.0, "person_clip": 1.0, "steps": 1, "rate": 1.0, "most_change": 1e4,
             "shared_between": 0, "delta": 1e-3}  # fmt: skip
    budget = PrivacyBudget("a", 1.0)
    assert budget.spend(Request("difference", 1, given), 100) == Spent(10.0, 1)
    with pytest.raises(DatasetError, match=said):
        budget.spend(Request("difference", 2, given | change), 100)
    for kind in ("sums", "gradient", "wins", "covariance"):
        with pytest.raises(DatasetError, match=f"{kind} without noise"):
            budget.spend(Request(kind, 3, given), 100)
    assert budget.spend(Request("count", 4), 100) is None


def test_shared_noise_needs_one_mask_over_as_many_sites_and_is_not_shortened():
    given = {"noise": 10.0, "person_clip": 1.0, "steps": 1, "rate": 1.0, "most_change": 1e4,
             "shared_between": 3, "delta": 1e-3}  # fmt: skip
    under = Together("s", ("a", "b", "c"))
    assert PrivacyBudget("a", 1.0).spend(Request("difference", 1, given, together=under), 100)
    for change in ({"shared_between": 4}, {"steps": 2}):
        with pytest.raises(DatasetError, match="as many sites under the mask"):
            request = Request("difference", 1, given | change, together=under)
            PrivacyBudget("a", 1.0).spend(request, 100)
    with pytest.raises(DatasetError, match="noise that is shortened"):
        request = Request("difference", 1, given | {"most_change": 10.0}, together=under)
        PrivacyBudget("a", 1.0).spend(request, 100)


def test_the_shared_noise_of_all_sites_but_one_is_the_noise_that_is_counted():
    how = LocalSteps(steps=1, rate=1.0, person_clip=0.5, noise=3.0, most_change=1e9,
                     shared_between=4)  # fmt: skip
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 3)), np.arange(50) % 2.0
    drawn = [
        sum(
            50 * local_difference(LogisticLearner(), [np.zeros(3), np.zeros(1)], x, y, how, rng)
            for _ in range(3)
        )
        for _ in range(600)
    ]
    assert np.std(drawn, axis=0) == pytest.approx(np.full(4, 3.0 * 0.5), rel=0.1)


def test_a_client_that_does_not_clip_is_seen_in_what_one_person_changes(
    folders, tmp_path, scale, monkeypatch
):
    """Two runs that differ by one far-off person, without noise: the sum moves by the clip."""

    def moved(out):
        sums = []
        for shift in (0.0, 1e6):
            federation, hospitals = hospital_federation(folders, tmp_path / out / str(shift))
            asking = {"label": "group", "positive": "resistant", "negative": "responsive",
                      "covariates": ["age", "sex"], "disorder": "schizophrenia"}  # fmt: skip
            columns = federation.ask("catalogue", question=asking)[0].words["markers"]
            federation.ask("done", task="build", columns=[row[:3] for row in columns])
            site = hospitals["site0"]._views["markers"]
            person = np.flatnonzero(np.isfinite(site.labels))[0]
            site.markers[person] += shift
            given = {"learner": "logistic", "weights": np.zeros(MARKERS + 1), "steps": 1,
                     "centre": np.full(MARKERS, 1e4), "scale": np.ones(MARKERS), "rate": 1.0,
                     "person_clip": 0.7, "most_change": 1e9}  # fmt: skip
            sums.append(site.answer(Request("difference", 99, given)).arrays["weighted"])
        return np.linalg.norm(sums[1] - sums[0])

    assert 0 < moved("a") <= 2 * 0.7
    kept = site_models.local_difference
    monkeypatch.setattr(
        site_models,
        "local_difference",
        lambda learner, weights, x, y, how, rng: kept(
            learner, weights, x, y, replace(how, person_clip=0.0), rng
        ),
    )
    assert moved("b") > 1e5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epsilon": 0.05}, "times as long as the longest step"),
        ({"epsilon": 0.0}, "epsilon 0"),
        ({"epsilon": 1e3}, "more is no privacy"),
        ({"delta": 0.2}, "at most 1 over the"),
        ({"epsilon": 1.0, "rounds": 10000}, "fewer --rounds"),
    ],
)
def test_privacy_that_cannot_be_had_is_refused_before_anything_is_told(
    folders, tmp_path, scale, change, said
):
    options = Options(privacy=asked(scale, **change))
    with pytest.raises((ConfigError, DatasetError), match=said):
        federate(folders, Question(), out=tmp_path / "o", options=options)
    kinds = {line["kind"] for line in lines(tmp_path / "o" / "left")}
    assert kinds <= {"catalogue", "done", "count"}


def test_masks_buy_less_noise(folders, tmp_path, scale):
    found = {}
    for masked in (False, True):
        options = Options(privacy=asked(scale), masked=masked)
        federation, _ = hospital_federation(folders, tmp_path / str(masked))
        if masked:
            from commissure.federated.masked_rounds import MaskedRounds

            federation.masked = MaskedRounds()
        result, _ = computed(federation, Question(), out=tmp_path / "o", options=options)
        found[masked] = result["privacy"]["noise_over_longest_step"]
    assert found[False] / found[True] == pytest.approx(2**0.5)


def test_a_scale_that_does_not_fit_is_refused_in_words(folders, tmp_path, scale):
    rows = pd.read_csv(scale, sep="\t")
    for change, said in (
        ({"unit": "cm3"}, "the scale is in cm3"),
        ({"region": "elsewhere"}, "none of the sites' markers"),
        ({"sd": 0.0}, "an SD of 0"),
    ):
        rows.assign(**change).to_csv(tmp_path / "odd.tsv", sep="\t", index=False)
        with pytest.raises(ConfigError, match=said):
            options = Options(privacy=asked(tmp_path / "odd.tsv"))
            federate(folders, Question(), out=tmp_path / "o", options=options)
    arguments = ["federate", *map(str, folders), "--out", str(tmp_path / "p"), "--epsilon", "1"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1 and "no --scale" in done.output
