"""What sites compute together is what pooled people would give, and nothing else leaves them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression
from tests.unit.federated.hospitals import MARKERS, pooled, simulated, together
from typer.testing import CliRunner

from commissure.cli import app
from commissure.errors import ConfigError, DatasetError
from commissure.evaluation.auc import auc
from commissure.evaluation.pairs import pairwise_comparisons
from commissure.federated import coordinator, logistic
from commissure.federated.question import Question
from commissure.federated.study import federate
from commissure.files import write_table


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
    found = logistic.logistic(federation, scale, ridge=2.0).coefficients
    values, _, labels, _ = pooled(sites)
    x = np.nan_to_num((values - scale.mean) / scale.sd)
    known = LogisticRegression(C=0.5, tol=1e-12, max_iter=10000).fit(x, labels)
    np.testing.assert_allclose(found, [known.intercept_[0], *known.coef_[0]], atol=1e-6)


def test_the_auc_within_site_is_that_of_the_pooled_to_the_last_bit():
    sites = simulated(4)
    federation = together(sites)
    models = logistic.left_out(federation)
    found = logistic.auc_within_site(federation, models, permutations=199, seed=3)
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
    # The same labels, shuffled within each site, of everybody in one place.
    shuffled = []
    for site in sites:
        rng = np.random.default_rng([3, *site.name.encode()])
        shuffled.append(np.column_stack([rng.permutation(site.labels) for _ in range(199)]))
    beyond = sum(
        auc([pairwise_comparisons(column, scores, place)]).value >= known.value
        for column in np.vstack(shuffled).T
    )
    assert found.p == (beyond + 1) / 200 < 0.05
    # The model of a site left out has seen nothing of it.
    others = together([replace(sites[0], markers=sites[0].markers + 1e6), *sites[1:]])
    name, model = logistic.left_out(others)[0]
    assert name == "site0" and np.array_equal(model.coefficients, models[0][1].coefficients)


def test_without_a_difference_p_is_no_smaller_than_chance():
    p = []
    for seed in range(40):
        sites = simulated(3, seed)
        rng = np.random.default_rng(seed)
        sites = [replace(site, labels=rng.permutation(site.labels)) for site in sites]
        federation = together(sites)
        models = logistic.left_out(federation)
        p.append(logistic.auc_within_site(federation, models, permutations=99, seed=seed).p)
    assert 0.35 < np.mean(p) < 0.65 and min(p) > 0.005


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
    assert (
        "3 sites, 5 markers" in done.output
        and "AUC within site of the site left out" in done.output
    )
    table = pd.read_csv(out / "federated_markers.tsv", sep="\t").set_index("region")
    assert table.loc["region0", "d"] > 0.5 and table["d"].abs().idxmax() == "region0"
    result = json.loads((out / "federated.json").read_text())
    assert result["sites"] == ["site0", "site1", "site2"]
    assert result["model"]["auc_within_site"] > 0.6 and result["lost"] == {}
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
