"""Charts and vulnerability indices over sites are those of the pooled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.unit.federated.hospitals import MARKERS, hospital_federation, simulated, together

from commissure.errors import DatasetError
from commissure.federated.charts import federated_charts
from commissure.federated.coordinator import moments
from commissure.federated.question import Question
from commissure.federated.records import Options
from commissure.federated.study import computed
from commissure.federated.vulnerability import indices, ranked_traits
from commissure.files import write_table
from commissure.markers.effect_patterns import effect_pattern
from commissure.markers.vulnerability import published_vulnerability
from commissure.models.chart_sums import People
from commissure.models.charts import ReferenceCharts
from commissure.normative.stored_charts import load_charts


def with_people(sites, seed=0):
    """The sites with ages, sexes, head sizes and controls; age bends the first marker."""
    rng = np.random.default_rng(seed)
    made = []
    for number, site in enumerate(sites):
        n = len(site.labels)
        people = People(
            rng.uniform(18 + 3 * number % 20, 75, n).round(2),
            rng.integers(0, 2, n).astype(float),
            np.full(n, site.name, dtype=object),
            rng.normal(1500, 120, n),
        )
        values = site.markers + 0.002 * (people.age[:, None] - 40) ** 2
        values *= 1 + 1e-5 * rng.exponential(size=values.shape)
        made.append(replace(site, markers=values, people=people, controls=rng.random(n) < 0.7))
    return made


@pytest.mark.parametrize("count", [3, 20])
def test_charts_are_those_of_pooled_controls(count):
    people = (30, 70) if count > 3 else (90, 150)
    sites = with_people(simulated(count, people=people))
    adjusted = np.arange(MARKERS) < 2
    charts = federated_charts(together(sites), adjusted=adjusted)
    values = np.vstack([site.markers[site.controls] for site in sites])
    people = People(
        *(
            np.concatenate([getattr(site.people, name)[site.controls] for site in sites])
            for name in ("age", "female", "site", "head_size")
        )
    )
    pooled = ReferenceCharts(adjusted, knots=charts.knots).fit(values, people)
    assert charts.sites_ == pooled.sites_ and charts.charted_.all()
    assert charts.counts_.tolist() == pooled.counts_.tolist()
    # The bends of age have one range, within which all but a few of a site's people are.
    assert charts.within_ages(people.age).mean() > 0.8 and len(charts.knots) > 5
    known, found = pooled.scores(values, people), charts.scores(values, people)
    np.testing.assert_allclose(found, known, rtol=0, atol=1e-8)
    assert 0.9 < np.nanstd(known) < 1.1
    np.testing.assert_allclose(
        charts.centiles(people, [-1.0, 2.0]), pooled.centiles(people, [-1.0, 2.0]), rtol=1e-8
    )


def test_a_site_with_few_controls_is_in_no_chart_and_two_sites_are_enough_to_say_so():
    sites = with_people(simulated(4, people=(50, 70)))
    sites[1] = replace(sites[1], controls=np.arange(len(sites[1].labels)) < 9)
    charts = federated_charts(together(sites))
    assert charts.sites_ == ["site0", "site2", "site3"]
    for number in (0, 2):
        sites[number] = replace(sites[number], controls=None)
    with pytest.raises(DatasetError, match="1 site in a round of ages"):
        federated_charts(together(sites))


def test_a_step_of_ages_is_of_enough_people():
    site = with_people(simulated(1, people=(60, 61)))[0]
    from commissure.federated.site import Request

    answer = site.answer(Request("ages", 1, {"ages": np.arange(0.0, 121.0, 1.0)}))
    steps = np.diff(answer.arrays["younger"])
    assert steps[steps > 0].min() >= 10 and steps.sum() == answer.people


@pytest.mark.parametrize("count", [3, 20])
def test_vulnerability_is_that_of_pooled_people(count):
    pattern = effect_pattern("fa", "schizophrenia")
    rng = np.random.default_rng(3)
    traits = len(pattern.traits)
    sites = []
    for site in with_people(simulated(count, people=(40, 80))):
        n = len(site.labels)
        values = rng.normal(size=(n, traits)) + 0.3 * rng.normal(size=(1, traits))
        values += np.outer(~site.controls, 4 * pattern.values) - 0.01 * site.design[:, 1:]
        values[rng.random(values.shape) < 0.02] = np.nan
        nobody = np.zeros(n)
        sites.append(replace(site, markers=values, people=People(nobody, nobody, nobody)))
    of_trait = [[number] for number in range(traits)]
    ranked = [ranked_traits(site, of_trait) for site in sites]
    scored = [replace(site, markers=scores) for site, scores in zip(sites, ranked, strict=True)]
    controls = moments(together(scored), among="controls")
    found = [indices(scores, controls.mean, controls.sd, pattern.values) for scores in ranked]
    known = published_vulnerability(
        pd.DataFrame(np.vstack([site.markers for site in sites]), columns=pattern.traits),
        pattern,
        controls=np.concatenate([site.controls for site in sites]),
        covariates=np.vstack([site.design[:, 1:] for site in sites]),
        sites=np.concatenate([np.full(len(site.labels), site.name) for site in sites]),
    )
    np.testing.assert_allclose(np.concatenate([part.rvi for part in found]), known.rvi, atol=1e-8)
    np.testing.assert_allclose(np.concatenate([part.avi for part in found]), known.avi, atol=1e-8)
    patients = np.concatenate([~site.controls for site in sites])
    assert np.nanmean(known.rvi[patients]) > np.nanmean(known.rvi[~patients]) + 0.2


def test_charts_of_folders_name_their_markers_and_know_head_size(folders, tmp_path):
    rng = np.random.default_rng(0)
    sizes = []
    for folder in folders:
        rows = pd.read_csv(folder / "markers.tsv", sep="\t", dtype=str, keep_default_na=False)
        people = rows.drop_duplicates("participant_id")
        size = rng.normal(1500, 100, len(people)).round(1)
        heads = people.assign(region="whole", marker="tiv", unit="ml", value=size.astype(str))
        write_table(pd.concat([rows, heads]), folder / "markers.tsv")
        sizes.append(size)
    federation, hospitals = hospital_federation(folders, tmp_path / "own")
    result, _ = computed(
        federation, Question(), out=tmp_path / "o", options=Options(permutations=0)
    )
    assert result["charts"]["status"] == "computed"
    stored = load_charts(tmp_path / "o" / "charts")
    named = {(column.region, column.marker) for column in stored.columns}
    assert named == {("whole", "tiv"), *((f"region{m}", "volume") for m in range(MARKERS))}
    for hospital, size in zip(hospitals.values(), sizes, strict=True):
        np.testing.assert_array_equal(hospital._views["markers"].people.head_size, size)
    assert 1400 < stored.charts.head_mean_ < 1600 and 50 < stored.charts.head_spread_ < 150
