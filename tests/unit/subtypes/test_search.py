"""Verdicts where the truth is known, and the published recipe on noise."""

from __future__ import annotations

import json

import numpy as np
import pytest
from benchmarks.subtypes.cohorts import cohort
from benchmarks.subtypes.planted import four, gradient, noise, question, skewed, two
from sklearn.metrics import adjusted_rand_score

from commissure.models.canonical import CanonicalVariates
from commissure.study.settings import StudySettings
from commissure.subtypes.people import Candidates
from commissure.subtypes.run import run_subtypes, shared_sentence
from commissure.subtypes.search import NO_CLUSTERS, search
from commissure.subtypes.settings import SubtypesSettings
from commissure.subtypes.shared import shared_variates

SETTINGS = SubtypesSettings(search=True, simulations=99, draws=20)


def verdict(draw, seed):
    values, labels = draw(np.random.default_rng(seed))
    return search(question(values, seed), SETTINGS, thorough=False), labels


@pytest.mark.parametrize("draw", [noise(120, 30), gradient(200, 10), skewed(150, 10)])
def test_one_cloud_of_any_shape_has_no_clusters(draw):
    said = [verdict(draw, seed)[0].verdict for seed in range(6)]
    assert said.count(NO_CLUSTERS) == 6


def test_a_gradient_is_no_gaussian_and_no_clusters_either():
    """What SigClust alone would call clusters."""
    answers = [verdict(gradient(300, 10), seed)[0] for seed in range(4)]
    assert all(answer.sigclust.p <= 0.05 for answer in answers)
    assert {answer.verdict for answer in answers} == {NO_CLUSTERS}
    assert "but no number of clusters does either" in answers[0].reasons[0]


def test_four_clusters_are_four():
    for seed in range(3):
        answer, labels = verdict(four(200, 20), seed)
        assert answer.chosen.k == 4
        assert adjusted_rand_score(labels, answer.chosen.labels) > 0.9
        assert len(set(answer.chosen.sizes)) <= 4 and sum(answer.chosen.sizes) == 200


def test_a_handful_of_outliers_is_no_cluster():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(200, 10))
    values[:8] += 9
    answer = search(question(values), SETTINGS, thorough=False)
    assert answer.verdict == NO_CLUSTERS
    assert any("a handful of outliers" in text for text in answer.reasons)


def test_two_clusters_are_told_with_their_shortcomings():
    answer, _ = verdict(two(200, 20, 6), 0)
    assert answer.verdict == "clusters, not validated"
    assert answer.reasons[-1].startswith("There is nothing that they have not seen")
    assert answer.sigclust.p == 0.01 and answer.chosen.valley < 0.01


def test_the_published_recipe_on_noise_gives_its_numbers_and_nothing_held_out():
    """Methods: 150 of 5000 markers and 17 items of 220 people give .96 in sample, -.03 held out."""
    pytest.importorskip("cca_zoo", reason="the extra 'subtypes' is not installed")
    part, sites, held = np.arange(440) % 2 == 0, np.full(440, "all"), []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        first, second = shared_variates(
            CanonicalVariates(2, (), 150, (0.0,)), rng.normal(size=(440, 5000)),
            rng.normal(size=(440, 17)), part, sites, rng, permutations=3,
        )  # fmt: skip
        assert (first.in_sample, second.in_sample) == pytest.approx((0.962, 0.952), abs=0.012)
        assert first.by_chance == pytest.approx(0.962, abs=0.012)
        assert first.likeness < 0.3
        held += [first.held_out, second.held_out]
    assert np.mean(held) == pytest.approx(0, abs=0.1) and max(np.abs(held)) < 0.25


def test_in_sample_and_held_out_stand_in_one_sentence():
    pytest.importorskip("cca_zoo", reason="the extra 'subtypes' is not installed")
    rng = np.random.default_rng(1)
    values, items = rng.normal(size=(200, 300)), rng.normal(size=(200, 8))
    settings = SubtypesSettings(
        search=True, items=["*"], recipe="drysdale", selected_markers=40, permutations=39,
        simulations=99,
    )  # fmt: skip
    asked = question(values, items=items)
    answer = search(asked, settings, thorough=False)
    assert answer.verdict == NO_CLUSTERS
    assert answer.reasons[0].startswith("Markers and symptoms share nothing that holds")
    names = np.array([f"sub-{n}" for n in range(200)])
    candidates = Candidates(names, np.ones(200, bool), asked, "", (), {})
    sentence, first = shared_sentence(answer, candidates, settings), answer.variates[0]
    assert "40 markers chosen among 300" in sentence
    assert f"by {first.in_sample:.2f} in the people it was learnt from" in sentence
    assert f"by {first.held_out:.2f} ({first.low:.2f} to {first.high:.2f}" in sentence
    assert "so that it is no evidence" in sentence


@pytest.mark.real
@pytest.mark.parametrize(
    ("removed", "silhouette", "head", "site", "p"),
    [([], 0.24, 0.90, 0.45, 0.90), (None, 0.15, 0.52, 0.16, 1.0)],
)
def test_the_trap_of_a_real_cohort(shared_data, tmp_path, removed, silhouette, head, site, p):
    """IMPAC's autism group: two clusters that are told from head size, and are none without it."""
    tables = cohort("impac", shared_data / "tables", tmp_path)
    more = {} if removed is None else {"remove": removed}
    settings = SubtypesSettings(search=True, draws=20, simulations=199, **more)
    run_subtypes(
        study=StudySettings(clinical=[]), settings=settings, out=tmp_path / "subtypes", **tables
    )
    said = json.loads((tmp_path / "subtypes/subtypes.json").read_text())
    assert said["verdict"] == NO_CLUSTERS and said["people"]["compared"] == 265
    assert said["sigclust"]["p"] == pytest.approx(p, abs=0.07)
    two_ = said["solutions"][0]
    assert two_["silhouette"] == pytest.approx(silhouette, abs=0.02)
    told = {row["confound"]: row for row in two_["confounds"]}
    assert told["head size"]["value"] == pytest.approx(head, abs=0.03)
    assert told["site"]["value"] == pytest.approx(site, abs=0.04)
    assert told["head size"]["told"] == (removed == [])
    sizes = " and ".join(map(str, two_["sizes"]))
    assert f"Two clusters would have {sizes} people." in said["reasons"][0]
    assert f"SigClust p {said['sigclust']['p']:.2g}" in said["reasons"][0]
