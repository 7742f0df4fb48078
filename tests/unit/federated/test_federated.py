"""What sites compute together is what pooled people would give, and nothing else leaves them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner

from commissure.cli import app
from commissure.errors import ConfigError, DatasetError
from commissure.evaluation.auc import auc
from commissure.evaluation.pairs import pairwise_comparisons
from commissure.federated import combat, coordinator
from commissure.federated.allowed import ALLOWED, Message, refuse_unless_allowed
from commissure.federated.coordinator import Federation, restarted
from commissure.federated.site import Request, Site
from commissure.federated.study import Question, federate
from commissure.files import write_table
from commissure.rows import Marker, write_markers

MARKERS = 5


def simulated(sites: int, seed: int = 0, people: tuple[int, int] = (20, 60)) -> list[Site]:
    """Sites of uneven sizes, with means of their own, missing values, and a group difference."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(sites):
        n = int(rng.integers(*people))
        labels = (np.arange(n) < rng.uniform(0.3, 0.7) * n).astype(float)
        age = rng.normal(35, 9, n)
        values = rng.normal(size=(n, MARKERS)) @ np.triu(np.ones((MARKERS, MARKERS)))
        values += 1e4 + rng.normal(size=MARKERS) + 0.05 * age[:, None]
        values[:, 0] += 1.5 * labels
        values[rng.random(values.shape) < 0.04] = np.nan
        made.append(Site(f"site{number}", values, np.column_stack([labels, age]), labels))
    return made


def together(sites: list[Site], **options) -> Federation:
    return Federation({site.name: site.answer for site in sites}, **options)


def pooled(sites: list[Site]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.vstack([site.markers for site in sites]),
        np.vstack([site.design for site in sites]),
        np.concatenate([site.labels for site in sites]),
        np.repeat(np.arange(len(sites)), [len(site.labels) for site in sites]),
    )


@pytest.mark.parametrize("count", [3, 20])
def test_means_and_spreads_are_those_of_the_pooled(count):
    sites = simulated(count)
    found = coordinator.moments(together(sites))
    values = pooled(sites)[0]
    assert found.people.tolist() == np.isfinite(values).sum(axis=0).tolist()
    np.testing.assert_allclose(found.mean, np.nanmean(values, axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.sd, np.nanstd(values, axis=0, ddof=1), rtol=1e-10)


@pytest.mark.parametrize("count", [3, 20])
def test_regressions_are_those_of_the_pooled_with_an_intercept_each(count):
    sites = simulated(count)
    found = coordinator.regressions(together(sites))
    values, design, _, place = pooled(sites)
    for marker in range(MARKERS):
        rows = np.isfinite(values[:, marker])
        x = np.column_stack([design, np.eye(count)[place]])[rows]
        known = sm.OLS(values[rows, marker], x).fit()
        np.testing.assert_allclose(found.slopes[marker], known.params[:2], rtol=1e-8)
        np.testing.assert_allclose(found.errors[marker], known.bse[:2], rtol=1e-8)
        np.testing.assert_allclose(found.p[marker], known.pvalues[:2], rtol=1e-6, atol=1e-12)
        assert found.freedom[marker] == known.df_resid
    shrunk = coordinator.regressions(together(sites), ridge=1e3)
    assert (np.abs(shrunk.slopes[:, 0]) < np.abs(found.slopes[:, 0])).all()


def test_components_are_those_of_the_pooled():
    sites = simulated(4)
    federation = together(sites)
    scale = coordinator.moments(federation)
    found = coordinator.principal_components(federation, scale, 3)
    values = (pooled(sites)[0] - scale.mean) / scale.sd
    values = values[np.isfinite(values).all(axis=1)]
    variances, axes = np.linalg.eigh(np.cov(values.T))
    np.testing.assert_allclose(found.variances, variances[::-1][:3], rtol=1e-10)
    alike = np.abs(np.sum(found.axes * axes[:, ::-1][:, :3].T, axis=1))
    np.testing.assert_allclose(alike, 1, rtol=1e-10)
    assert found.people == len(values)


@pytest.mark.parametrize("one_class", [False, True])
def test_the_logistic_model_is_that_of_the_pooled(one_class):
    sites = simulated(5)
    if one_class:
        sites[2] = replace(sites[2], labels=np.ones_like(sites[2].labels))
    federation = together(sites)
    scale = coordinator.moments(federation)
    found = coordinator.logistic(federation, scale, ridge=2.0).coefficients
    values, _, labels, _ = pooled(sites)
    x = np.nan_to_num((values - scale.mean) / scale.sd)
    known = LogisticRegression(C=0.5, tol=1e-12, max_iter=10000).fit(x, labels)
    np.testing.assert_allclose(found, [known.intercept_[0], *known.coef_[0]], atol=1e-6)


def test_the_auc_within_site_is_that_of_the_pooled_to_the_last_bit():
    sites = simulated(4)
    federation = together(sites)
    models = coordinator.left_out(federation)
    found = coordinator.auc_within_site(federation, models, permutations=199, seed=3)
    _, _, labels, place = pooled(sites)
    scores = np.concatenate(
        [
            np.column_stack(
                [
                    np.ones(len(site.labels)),
                    np.nan_to_num((site.markers - model.scale.mean) / model.scale.sd),
                ]
            )
            @ model.coefficients
            for site, (_, model) in zip(sites, models, strict=True)
        ]
    )
    known = auc([pairwise_comparisons(labels, scores, place)])
    assert (found.auc, found.pairs) == (known.value, known.pairs)
    assert found.p < 0.05
    # The model of a site left out has seen nothing of it.
    others = together([replace(sites[0], markers=sites[0].markers + 1e6), *sites[1:]])
    name, model = coordinator.left_out(others)[0]
    assert name == "site0" and np.array_equal(model.coefficients, models[0][1].coefficients)


def test_without_a_difference_p_is_no_smaller_than_chance():
    p = []
    for seed in range(40):
        sites = simulated(3, seed)
        rng = np.random.default_rng(seed)
        sites = [replace(site, labels=rng.permutation(site.labels)) for site in sites]
        federation = together(sites)
        models = coordinator.left_out(federation)
        p.append(coordinator.auc_within_site(federation, models, permutations=99, seed=seed).p)
    assert 0.35 < np.mean(p) < 0.65 and min(p) > 0.005


def test_everything_that_leaves_is_on_the_list_and_no_array_is_of_people():
    seen = []
    sites = simulated(3, people=(31, 60))

    def watched(site):
        def answer(request):
            message = site.answer(request)
            seen.append((site, message))
            return message

        return answer

    federation = Federation({site.name: watched(site) for site in sites})
    scale = coordinator.moments(federation)
    coordinator.regressions(federation)
    coordinator.principal_components(federation, scale, 2)
    coordinator.auc_within_site(federation, coordinator.left_out(federation), permutations=9)
    assert {message.kind for _, message in seen} == set(ALLOWED)
    for site, message in seen:
        for array in message.arrays.values():
            assert len(site.labels) not in np.shape(array)
            assert not np.isin(site.markers[np.isfinite(site.markers)], array).any()


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
    found = restarted(federation, lambda: coordinator.logistic(federation, scale))
    assert federation.lost == {"site3": "the line went dead"}
    assert found.sites == ("site0", "site1", "site2")
    expected = coordinator.logistic(together(sites[:3]), scale)
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


@pytest.fixture
def folders(tmp_path):
    """Output folders of three sites, as runs leave them."""
    made = []
    for site in simulated(3, seed=5):
        folder = tmp_path / site.name / "commissure"
        ids = [f"sub-{n:02d}" for n in range(len(site.labels))]
        folder.mkdir(parents=True)
        write_table(
            pd.DataFrame(
                {
                    "participant_id": ids,
                    "group": np.where(site.labels == 1, "resistant", "responsive"),
                    "age": site.design[:, 1].round(1),
                    "sex": np.where(np.arange(len(ids)) % 2, "F", "male"),
                }
            ),
            folder / "participants.tsv",
        )
        rows = [
            Marker(person, "", "anat", f"region{m}", "volume", float(value), "mm3")
            for person, values in zip(ids, site.markers, strict=True)
            for m, value in enumerate(values)
            if np.isfinite(value)
        ]
        write_markers(rows, folder / "markers.tsv")
        made.append(folder)
    return made


def test_the_command_writes_what_was_found_and_what_left(folders, tmp_path):
    out = tmp_path / "together"
    arguments = [
        "federate",
        *map(str, folders),
        "--out",
        str(out),
        "--permutations",
        "99",
        "--combat",
    ]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "3 sites, 5 markers" in done.output and "AUC within the site left out" in done.output
    table = pd.read_csv(out / "federated_markers.tsv", sep="\t").set_index("region")
    assert table.loc["region0", "d"] > 0.5 and table["d"].abs().idxmax() == "region0"
    result = json.loads((out / "federated.json").read_text())
    assert result["sites"] == ["site0", "site1", "site2"]
    assert result["model"]["auc_leave_site_out"] > 0.6 and result["lost"] == {}
    for name in result["sites"]:
        lines = (out / f"left/{name}.jsonl").read_text().splitlines()
        assert len(lines) == sum(result["left"][name].values())
        assert "sub-" not in "".join(lines)
    assert CliRunner().invoke(app, arguments).exit_code == 0
    twice = (out / "left/site0.jsonl").read_text().splitlines()
    again = json.loads((out / "federated.json").read_text())["left"]
    assert len(twice) == 2 * sum(again["site0"].values()) and again == result["left"]
    stays = [pd.read_csv(out / f"stays/site{n}/markers.tsv", sep="\t") for n in range(3)]
    means = [rows.groupby("region")["value"].mean() for rows in stays]
    raw = [
        pd.read_csv(folder / "markers.tsv", sep="\t").groupby("region")["value"].mean()
        for folder in folders
    ]
    assert (np.std(means, axis=0) < 0.5 * np.std(raw, axis=0)).mean() > 0.7


def test_sites_that_do_not_fit_are_refused_in_words(folders, tmp_path):
    question = Question()
    with pytest.raises(ConfigError, match="no column 'diagnosis'"):
        federate(folders, replace(question, label="diagnosis"), out=tmp_path / "o")
    with pytest.raises(ConfigError, match="named twice"):
        federate([*folders[:2], folders[0]], question, out=tmp_path / "o")
    file = folders[1] / "markers.tsv"
    text = file.read_text()
    file.write_text(text.replace("mm3", "cm3"))
    with pytest.raises(DatasetError, match="its unit is mm3 at site2 and cm3 at site1|at site"):
        federate(folders, question, out=tmp_path / "o")
    file.write_text(text.replace("\tregion", "\tplace").replace("place\t", "region\t", 1))
    with pytest.raises(DatasetError, match="no marker is common"):
        federate(folders, question, out=tmp_path / "o")
    file.write_text(text)
    people = pd.read_csv(folders[2] / "participants.tsv", sep="\t")
    write_table(people.assign(sex="x"), folders[2] / "participants.tsv")
    with pytest.raises(ConfigError, match="site site2, column 'sex'"):
        federate(folders, question, out=tmp_path / "o")


def pooled_combat(sites: list[Site]) -> np.ndarray:
    """ComBat of Johnson et al. on pooled people without gaps, written from the paper."""
    values, design, _, place = pooled(sites)
    batches = np.eye(len(sites))[place]
    x = np.column_stack([batches, design])
    beta = np.linalg.lstsq(x, values, rcond=None)[0]
    grand = batches.mean(axis=0) @ beta[: len(sites)]
    sd = np.sqrt(((values - x @ beta) ** 2).mean(axis=0))
    expected = grand + design @ beta[len(sites) :]
    z = (values - expected) / sd
    result = np.empty_like(z)
    for number in range(len(sites)):
        rows = place == number
        n = rows.sum()
        g, d = z[rows].mean(axis=0), z[rows].var(axis=0, ddof=1)
        m, v = d.mean(), d.var(ddof=1)
        a, b = m**2 / v + 2, m**3 / v + m
        gs, ds = g, d
        for _ in range(1000):
            gs = (n * g.var(ddof=1) * g + ds * g.mean()) / (n * g.var(ddof=1) + ds)
            ds = (b + 0.5 * ((z[rows] - gs) ** 2).sum(axis=0)) / (a + n / 2 - 1)
        result[rows] = (z[rows] - gs) / np.sqrt(ds)
    return result * sd + expected


@pytest.mark.parametrize("covariates", [0, 2])
@pytest.mark.parametrize("count", [3, 20])
def test_combat_is_that_of_the_pooled(count, covariates):
    sites = [
        replace(
            site,
            markers=np.nan_to_num(site.markers, nan=1e4) * (1 + 1e-5 * number),
            design=site.design[:, :covariates],
        )
        for number, site in enumerate(simulated(count))
    ]
    scale = combat.common_scale(together(sites))
    found = np.vstack([combat.harmonised(site, scale) for site in sites])
    np.testing.assert_allclose(found, pooled_combat(sites), rtol=0, atol=1e-6)


def test_combat_takes_out_the_scanner_and_keeps_age_and_group():
    rng = np.random.default_rng(2)
    sites = [
        replace(site, markers=site.markers * rng.uniform(0.999, 1.001, MARKERS))
        for site in simulated(6, people=(60, 90))
    ]
    before = coordinator.regressions(together(sites))
    scale = combat.common_scale(together(sites))
    even = [replace(site, markers=combat.harmonised(site, scale)) for site in sites]
    after = coordinator.regressions(together(even))
    np.testing.assert_allclose(after.slopes, before.slopes, atol=0.2 * np.abs(before.errors).max())

    def scatter(these):
        return np.std([np.nanmean(site.markers, axis=0) for site in these], axis=0)

    assert (scatter(even) < 0.2 * scatter(sites)).all()
    gaps = np.isnan(np.vstack([site.markers for site in sites]))
    assert np.array_equal(np.isnan(np.vstack([site.markers for site in even])), gaps)
