"""The section on sites and groups shows what the run computed."""

from __future__ import annotations

import dataclasses

from commissure.report.sections.sites import content


def changed(run, **entries):
    metrics = {**run.results.metrics, **entries}
    return dataclasses.replace(run, results=dataclasses.replace(run.results, metrics=metrics))


def test_every_site_and_group_has_a_row_and_the_mean_its_prediction_interval(small):
    shown = content(small.input(), {})
    assert [row["site"] for row in shown["rows"]] == ["north", "south"]
    assert shown["rows"][0]["within"] == "0.73 (0.53 to 0.88)"
    assert shown["rows"][0]["left_out"] == "0.67 (0.47 to 0.82)"
    assert shown["rows"][0]["pairs"] == 56 and shown["rows"][0]["slope"] == "0.70"
    assert len(shown["summaries"]) == 2
    assert "16\u2009% of the variance" in shown["summaries"][0]
    assert "τ = 0.07" in shown["summaries"][0]
    assert "0.41 to 0.83 (95 % prediction interval)" in shown["summaries"][1]
    assert [row["group"] for row in shown["groups"]] == ["female", "male", "18 to 30"]
    assert shown["forest"].startswith("<svg") and "a new site" in shown["forest"]


def test_one_site_has_a_table_and_no_figure(small):
    run = small.input()
    cv = run.results.metrics["by_site"]["cv"]
    alone = {"cv": {**cv, "sites": cv["sites"][:1]}}
    shown = content(changed(run, by_site=alone), {})
    assert not shown["several"] and shown["forest"] == "" and shown["summaries"] == []
    assert shown["rows"][0]["left_out"] == "–"


def test_two_sites_tell_nothing_of_a_new_one(small):
    run = small.input()
    schemes = {
        scheme: {**part, "random_effects": {**part["random_effects"], "prediction_low": None}}
        for scheme, part in run.results.metrics["by_site"].items()
    }
    shown = content(changed(run, by_site=schemes), {})
    assert not any("prediction interval" in sentence for sentence in shown["summaries"])
    assert "a new site" not in shown["forest"]


def test_without_a_model_there_is_no_section(small):
    assert content(changed(small.input(), status="not_fitted"), {}) is None
    assert content(changed(small.input(), by_site={}), {}) is None
