"""Sites that fail, lie, repeat themselves or are alone: survived, or refused in words."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.unit.federated.hospitals import hospital_federation, simulated, together

from commissure.errors import DatasetError
from commissure.federated import coordinator, logistic
from commissure.federated.allowed import Message, refuse_unless_allowed
from commissure.federated.federation import restarted
from commissure.federated.question import Question
from commissure.federated.records import Options
from commissure.federated.site import Request
from commissure.federated.study import computed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "rows"}, "one of the kinds"),
        ({"arrays": {"people": np.ones(2)}}, "with its arrays"),
        ({"people": 4}, "4 people stand behind it"),
        ({"version": "0"}, "version 0 of the list"),
        (
            {"arrays": {"people": np.ones(2), "total": np.ones(3), "squares": np.ones(2)}},
            "has the shape",
        ),
        (
            {"arrays": {"people": np.ones(2), "total": np.ones((2, 40)), "squares": np.ones(2)}},
            "has the shape",
        ),
    ],
)
def test_what_is_not_on_the_list_does_not_leave(change, said):
    arrays = {name: np.ones(2) for name in ("people", "total", "squares")}
    message = Message("a", "sums", 1, 20, arrays)
    refuse_unless_allowed(message)
    with pytest.raises(DatasetError, match=said):
        refuse_unless_allowed(replace(message, **change))


def test_a_site_sends_nothing_over_few_people():
    site = simulated(1)[0]
    few = replace(site, markers=site.markers.copy())
    few.markers[9:, 1] = np.nan  # nine people have this marker
    message = few.answer(Request("sums", 1))
    assert message.arrays["people"][1] == message.arrays["total"][1] == 0
    assert few.answer(Request("products", 2)).arrays["people"][1] == 0
    with pytest.raises(DatasetError, match="people stand behind it"):
        few.answer(Request("covariance", 3, {"centre": np.zeros(5), "scale": np.ones(5)}))
    with pytest.raises(DatasetError, match="it was asked for 'rows'"):
        few.answer(Request("rows", 4))


def test_a_lost_site_is_left_out_and_named():
    sites = simulated(4)
    calls = []

    def breaks(request):
        calls.append(request)
        if len(calls) > 3:
            raise ConnectionError("the line went dead")
        return sites[3].answer(request)

    federation = together(sites)
    federation.sites["site3"] = breaks
    scale = restarted(federation, lambda: coordinator.moments(federation))
    found = restarted(federation, lambda: logistic.logistic(federation, scale))
    assert federation.lost == {"site3": "the line went dead"}
    assert found.sites == ("site0", "site1", "site2")
    expected = logistic.logistic(together(sites[:3]), scale)
    np.testing.assert_array_equal(found.coefficients, expected.coefficients)


def test_few_sites_compute_nothing():
    with pytest.raises(DatasetError, match="2 sites are left"):
        coordinator.moments(together(simulated(2)))


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (lambda m: replace(m, round=m.round - 1), "An old answer was sent again"),
        (lambda m: replace(m, site="site1"), "an answer of site1"),
        (
            lambda m: replace(m, arrays={**m.arrays, "people": m.arrays["people"] // 2}),
            "cannot be those of",
        ),
        (lambda m: replace(m, people=m.people + m.round), "people, and of"),
        (
            lambda m: replace(m, arrays={**m.arrays, "total": m.arrays["total"] * np.nan}),
            "not finite",
        ),
    ],
)
def test_a_site_that_lies_is_refused_in_words(lie, said):
    sites = simulated(3)
    federation = together(sites)
    federation.sites["site0"] = lambda request: lie(sites[0].answer(request))
    with pytest.raises(DatasetError, match=said):
        coordinator.moments(federation)


def test_a_number_of_people_that_is_made_up_is_refused_where_it_shows():
    """A site that counts every person twice, from the first sum on."""
    sites = simulated(3)
    federation = together(sites)
    scale = coordinator.moments(federation)

    def doubled(request):
        message = sites[0].answer(request)
        arrays = {**message.arrays, "people": 2 * message.arrays["people"]}
        return replace(message, people=2 * message.people, arrays=arrays)

    for lie in ({}, {"value": True}):
        federation = together(sites)

        def lied(request, lie=lie):
            message = doubled(request)
            if lie:  # the likelihood too
                arrays = {**message.arrays, "value": 2 * message.arrays["value"]}
                message = replace(message, arrays=arrays)
            return message

        federation.sites["site0"] = lied
        with pytest.raises(DatasetError, match="site site0: its gradient cannot be those of"):
            logistic.logistic(federation, scale)


def test_more_people_than_are_in_the_table_are_refused(folders, tmp_path):
    federation, _ = hospital_federation(folders, tmp_path)
    inner = federation.sites["site1"]

    def lies(request):
        message = inner(request)
        if request.kind == "sums":
            arrays = {**message.arrays, "people": message.arrays["people"] + 500.0}
            message = replace(message, people=message.people + 500, arrays=arrays)
        return message

    federation.sites["site1"] = lies
    with pytest.raises(DatasetError, match=r"site site1: sums of \d+ people, and \d+ are in its"):
        computed(federation, Question(), out=tmp_path / "o", options=Options(permutations=9))


def test_a_message_that_is_sent_again_is_refused_in_every_kind(folders, tmp_path):
    federation, _ = hospital_federation(folders, tmp_path)
    computed(federation, Question(), out=tmp_path / "o", options=Options(permutations=9))
    earlier = {}
    inner = federation.sites["site2"]

    def repeats(request):
        return earlier.setdefault(request.kind, inner(request))

    federation.sites["site2"] = repeats
    with pytest.raises(DatasetError, match="An old answer was sent again"):
        computed(federation, Question(), out=tmp_path / "o", options=Options(permutations=9))


def test_a_site_alone_in_a_round_neither_is_asked_nor_answers():
    sites = simulated(3)
    with pytest.raises(DatasetError, match="1 site in a round of sums"):
        together(sites).ask("sums", of=["site1"])
    with pytest.raises(DatasetError, match="site site1, sums: it is alone in this round"):
        sites[1].answer(Request("sums", 1, taking_part=1))
    # Two of three fall silent: what is left is refused, and named.
    federation = together(sites)
    for name in ("site0", "site2"):
        federation.sites[name] = silent
    with pytest.raises(DatasetError, match="2 sites are left; site0 was lost: no answer"):
        restarted(federation, lambda: coordinator.moments(federation))


def silent(request):
    raise TimeoutError("no answer")


@pytest.mark.parametrize("kind", ["gradient", "chart_sums", "wins", "products"])
def test_a_site_that_falls_silent_is_survived_in_any_round(folders, tmp_path, kind):
    federation, _ = hospital_federation([*folders, *more(folders, tmp_path)], tmp_path)
    inner, seen = federation.sites["site1"], []

    def falls_silent(request):
        seen.append(request.kind)
        return (
            silent(request)
            if seen.count(kind) > (kind in ("gradient", "chart_sums"))
            else inner(request)
        )

    federation.sites["site1"] = falls_silent
    options = Options(permutations=9)
    result, table = computed(federation, Question(), out=tmp_path / "o", options=options)
    assert result["lost"] == {"site1": "no answer"}
    assert result["charts"]["status"] == result["model"]["status"] == "computed"
    rest = [folders[0], folders[2], *more(folders, tmp_path)]
    expected, _ = hospital_federation(rest, tmp_path / "again")
    known, known_table = computed(expected, Question(), out=tmp_path / "p", options=options)
    assert result["sites"] == known["sites"] == ["site0", "site2", "site9"]
    # All of it is of the others, as if the site had never been asked.
    for part in ("model", "charts", "components"):
        assert result[part] == known[part]
    pd.testing.assert_frame_equal(table, known_table)


def more(folders, tmp_path):
    """A fourth hospital, so that three are left."""
    copy = tmp_path / "site9" / "commissure"
    if not copy.exists():
        shutil.copytree(folders[1], copy)
    return [copy]
