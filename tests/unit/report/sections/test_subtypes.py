"""Groups among people as the page shows them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from commissure.outputs import SUBTYPES_ASSIGNMENTS, SUBTYPES_CANONICAL, SUBTYPES_INDICES
from commissure.report.page import contents, render
from commissure.report.sections.subtypes import content


def solution(k, **changes):
    confound = {"confound": "head size", "measure": "AUC", "value": 0.9, "unbiased": None,
                "p": 1e-9, "n": 48, "mandatory": True, "told": True}  # fmt: skip
    return {
        "k": k, "sizes": [48 - 14 * (k - 1), *[14] * (k - 1)], "silhouette": 0.24, "valley_p": 0.9,
        "replication": 0.6, "jaccard": [0.88, 0.8], "pac": 0.3, "confounds": [confound],
        "against": ["its clusters are told from head size (AUC 0.90)"], **changes,
    }  # fmt: skip


RECORD = {
    "status": "searched", "verdict": "no clusters", "k": 1, "shared": "", "external": [],
    "reasons": ["One cloud gives clusters as tight (SigClust p 0.9).", "2 clusters: no.", "more"],
    "people": {"n": 50, "compared": 48, "discovery": 24, "validation": 24, "validation_sites": []},
    "space": {"by": "markers", "markers": 207, "items": [], "axes": 10, "learnt_from": 48},
    "sigclust": {"index": 0.74, "expected": 0.72, "p": 0.9},
    "k_by_index": {"gap": 1, "mixture_bic": 2, "calinski_harabasz": 2},
    "solutions": [solution(2), solution(3, jaccard=None, pac=None)],
    "unchecked": ["motion"], "cautions": ["2 people <lack> a modality."],
}  # fmt: skip
EXTERNAL = {"variable": "cognition", "measure": "partial eta squared", "value": 0.3, "n": 48,
            "p": 0.001, "p_corrected": 0.002, "means": {"1": 0.1, "2": 2.1}}  # fmt: skip


def with_groups(run, clusters=False, **changes):
    inputs = run.input()
    rng = np.random.default_rng(0)
    names = [f"sub-{n:02d}" for n in range(48)]
    cluster = np.where(np.arange(48) < 3, np.nan, 1.0 + np.arange(48) % 2)
    assigned = pd.DataFrame({
        "participant_id": names, "part": "discovery", "cluster": cluster if clusters else np.nan,
        "probability": 0.9, "distance": 1.0, "reason": "", "axis_1": rng.normal(size=48),
        "axis_2": rng.normal(size=48),
    })  # fmt: skip
    indices = SUBTYPES_INDICES.frame(
        (m, k, 0.3, 0.34, 99.0, 120.0, np.nan, np.nan)
        for m in ("k_means", "ward", "mixture") for k in (2, 3)
    )  # fmt: skip
    shown = [(1, 0.96, 0.96, 0.5, -0.03, -0.2, 0.14, 0.6, 0.1)] if changes.get("shared") else []
    tables = {
        **inputs.results.tables, SUBTYPES_ASSIGNMENTS.path: assigned,
        SUBTYPES_INDICES.path: indices, SUBTYPES_CANONICAL.path: SUBTYPES_CANONICAL.frame(shown),
    }  # fmt: skip
    record = {**RECORD, **changes}
    results = dataclasses.replace(inputs.results, subtypes=record, tables=tables)
    return dataclasses.replace(inputs, results=results)


def test_the_verdict_stands_first_with_sizes_and_p(small):
    shown = content(with_groups(small), {})
    assert shown["verdict"] == "No clusters"
    assert "Two clusters of 34 and 14 people leave 74.0 %" in shown["sigclust"]
    assert "SigClust p = 0.90" in shown["sigclust"]
    assert shown["how"].startswith("48 of 50 people are compared by 10 main axes of 207 markers")
    assert [row["jaccard"] for row in shown["rows"]] == ["0.80", "–"]
    assert shown["confounds"][0] == {"name": "head size", "value": "AUC 0.90", "p": "< 0.001",
                                     "n": 48, "told": "yes", "mandatory": "yes"}  # fmt: skip
    assert shown["by_index"].startswith("1 by the gap statistic, 2 by Gaussian mixtures")
    page = render(contents(with_groups(small)))
    start = page.index('id="subtypes"')
    section = page[start : page.index("</section>", start)]
    assert section.index("<strong>No clusters.</strong>") < section.index("<table")
    assert "2 people &lt;lack&gt; a modality." in section and section.count("<svg") == 2


def test_clusters_are_drawn_and_what_they_have_not_seen_is_shown(small):
    run = with_groups(
        small, clusters=True, verdict="clusters, stable and external", k=2,
        external=[EXTERNAL, {**EXTERNAL, "p": None, "p_corrected": None, "value": None}],
    )  # fmt: skip
    shown = content(run, {})
    assert shown["verdict"] == "Clusters, stable and external"
    assert (
        shown["external"][0]["p"] == "0.002"
        and shown["external"][0]["means"] == "1: 0.100, 2: 2.10"
    )
    assert shown["external"][1]["value"] == "too few people"
    assert "cluster 1" in shown["panels"][0]["figure"]
    assert [row["chosen"] for row in shown["rows"]] == [True, False]


def test_in_sample_and_held_out_stand_side_by_side(small):
    space = {**RECORD["space"], "items": ["a", "b"], "axes": 2}
    shown = content(with_groups(small, shared="Both.", space=space), {})
    assert shown["variates"][0]["in_sample"].startswith("0.96 (chance 0.96")
    assert shown["variates"][0]["held_out"].startswith("−0.03 (−0.20")
    assert "2 canonical variates of 207 markers and 2 symptom items" in shown["how"]
    assert "Both." in render(contents(with_groups(small, shared="Both.", space=space)))


@pytest.mark.parametrize("configuration", ["", "subtypes: {search: false}\n"])
def test_a_run_that_did_not_look_has_no_section(small, configuration):
    inputs = small.input()
    assert content(inputs, {}) is None
    left = dataclasses.replace(with_groups(small), configuration=configuration)
    assert (content(left, {}) is None) == bool(configuration)
    assert "subtypes/subtypes.json" not in inputs.results.absent


def test_a_question_that_could_not_be_asked_says_why(small):
    record = {"status": "not_searched", "reason": "20 people are too few, 60 are needed"}
    shown = content(with_groups(small, **record), {})
    assert shown["verdict"] == "" and shown["reason"] == "20 people are too few, 60 are needed."
    assert "were not looked for" in render(contents(with_groups(small, **record)))
