"""Requests: what no study can have is refused before anything is drawn."""

from __future__ import annotations

import pytest

from commissure.errors import ConfigError
from commissure.phantom.request import Request, chosen_request
from commissure.settings import SECTION, options

PAIR = {"controls": 1, "responsive": 0, "resistant": 1, "sites": 1, "missing": 0.0}


def request(change: dict, preset: str = "tiny") -> Request:
    return chosen_request(
        preset, {f"cohort.{name}": value for name, value in {**PAIR, **change}.items()}
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"controls": 0, "resistant": 0}, "0 people"),
        ({"sites": 0}, r"cohort\.sites: .*found 0"),
        ({"sites": 3}, "3 sites for 2 people"),
        ({"missing": 1.2}, r"cohort\.missing: .*found 1\.2"),
        ({"missing": 0.6}, r"cohort\.missing: .*less than or equal to 0\.5"),
        ({"missing": 0.1, "missing_by": "mood"}, r"cohort\.missing_by"),
        ({"missing": 0.1, "missing_by": "site"}, "one site"),
        ({"effects": 3.1}, "cohort: effects makes a factor of 3.1"),
        ({"effects": 2.0, "patient_effects": 2.0}, "patient_effects makes a factor of 4"),
        ({"auc": 0.99999}, "which 3 times the published effects allow"),
        ({"auc": 0.4}, "auc is an area under the curve of 0.4"),
        ({"auc": 0.7, "resistant_effects": 2.0}, "one of the two"),
        ({"auc": 0.7, "effects": 0}, "effects above 0"),
        ({"site_people": [(0, 0, 0), (1, 1, 1)]}, "a site without people"),
        ({"site_people": [(-1, 2, 2)]}, "site_people is"),
        ({"subjects": 5}, "one of the two"),
        ({"visits": 0}, r"cohort\.visits"),
        ({"visits": 2, "years_between": -1}, r"cohort\.years_between"),
        ({"travelling": 2}, "2 travelling subjects among 1 controls"),
        ({"travelling": 1}, "two sites to travel between"),
        ({"motion": -1}, r"cohort\.motion"),
        ({"seed": -1}, r"cohort\.seed"),
        ({"contrals": 3}, r"did you mean cohort\.controls\?"),
    ],
)
def test_what_no_study_can_have_is_refused(change, says):
    with pytest.raises(ConfigError, match=says):
        request(change)


@pytest.mark.parametrize(
    ("change", "says"), [({"effects": 1}, "null with effects"), ({"auc": 0.7}, "effects above 0")]
)
def test_the_null_preset_has_no_effects(change, says):
    assert request({}, "null").cohort.layers == (0.0, 0.0)
    with pytest.raises(ConfigError, match=says):
        request(change, "null")


def test_the_preset_is_no_setting():
    with pytest.raises(ConfigError, match="--preset"):
        chosen_request("demo", {"preset": "tiny"})
    with pytest.raises(ConfigError, match="'grand' is not known"):
        chosen_request("grand")


def test_an_area_under_the_curve_stands_in_place_of_a_factor():
    cohort = request({"auc": 0.75, "effects": 0.5}).cohort
    alone = request({"auc": 0.75}).cohort
    assert cohort.layers[1] == pytest.approx(alone.layers[1])
    assert cohort.layers[0] == 0.5


def test_every_setting_is_described():
    undescribed = [
        name
        for name, default, text in options(Request)
        if default is not SECTION and len(text) < 12
    ]
    assert undescribed == []
