"""Charts of a thousand real controls of 22 sites."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.normative.__main__ import fcon

from commissure.models.charts import ReferenceCharts
from commissure.normative.held_out import held_out_scores

pytestmark = [pytest.mark.real, pytest.mark.slow]


@pytest.fixture(scope="module")
def controls(shared_data: Path):
    if not (shared_data / "tables/fcon1000-freesurfer").is_dir():
        pytest.skip("the table fcon1000-freesurfer is not on this machine")
    values, people, _ = fcon(shared_data / "tables", None)
    return values[:, ::7], people


def test_of_controls_whom_the_charts_have_not_seen_five_per_cent_are_extreme(controls) -> None:
    values, people = controls
    assert len(people) == 1053 and len(set(people.site)) == 22
    z, _ = held_out_scores(ReferenceCharts(), values, people, 10)
    z = z[np.isfinite(z).all(axis=1)]
    assert abs((np.abs(z) > 1.96).mean() - 0.05) < 0.004
    assert 0.97 < z.std() < 1.03


def test_a_site_that_was_left_out_is_learnt_from_25_of_its_controls(controls) -> None:
    values, people = controls
    there = np.flatnonzero(people.site == "Cambridge_Buckner")
    away = people.site != "Cambridge_Buckner"
    charts = ReferenceCharts().fit(values[away], people.some(away))
    rng = np.random.default_rng(0)
    off = []
    for _ in range(5):
        drawn = rng.permutation(there)
        charts.site_offsets_.clear()
        charts.learn_site("Cambridge_Buckner", values[drawn[:25]], people.some(drawn[:25]))
        z = charts.scores(values[drawn[25:]], people.some(drawn[25:]))
        off.append(np.abs(np.nanmean(z, axis=0)).mean())
    assert np.mean(off) < 0.18
