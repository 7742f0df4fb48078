"""MRIQC's metrics have limits: what lies beyond is flagged, and left out where that is set."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from commissure.engines.ingress.mriqc import METRICS, WORSE, definitions
from commissure.markers.mriqc_limits import mriqc_checks, mriqc_exclusions, with_mriqc_flags
from commissure.markers.settings import MarkersSettings
from commissure.markers.table import exclusions
from commissure.outputs import TOOL_QUALITY
from commissure.rows import COLUMNS


def cohort(people=24, *, sites=1, seed=0, **planted):
    """Rows of two metrics and a volume of everybody; ``planted`` is a value by person and metric."""
    rng = np.random.default_rng(seed)
    rows, site = [], {}
    for number in range(people):
        who = f"sub-{number:02d}"
        site[who] = f"site-{number % sites}"
        shift = 5.0 * (number % sites)
        for marker, value in (
            ("mriqc_cjv", rng.normal(0.4 + shift, 0.02)),
            ("mriqc_cnr", rng.normal(3 + shift, 0.2)),
            ("mriqc_qi_1", 0.0),
            ("volume", 4000.0),
        ):
            value = planted.get(f"{who[-2:]}_{marker}".replace("-", ""), value)
            rows.append([who, "", "anat", "brain", marker, value, "1", "ok"])
    return pd.DataFrame(rows, columns=list(COLUMNS)), site


def plant(rows, who, **values):
    for marker, value in values.items():
        rows.loc[(rows["participant_id"] == who) & (rows["marker"] == marker), "value"] = value
    return rows


def flags(rows, checks):
    table = with_mriqc_flags(rows, checks)
    return set(
        table.loc[table["quality"] == "flag", ["participant_id", "marker"]].itertuples(
            index=False, name=None
        )
    )


def test_every_metric_has_a_bad_side():
    assert set(WORSE) == {definition.marker for definition in definitions()}
    assert set(WORSE.values()) == {"above", "below", "either"}
    assert len(WORSE) == sum(len(metrics) for _, metrics in METRICS.values())


def test_one_metric_is_flagged_alone_and_two_flag_the_image():
    rows, sites = cohort()
    plant(rows, "sub-03", mriqc_cjv=0.9)
    plant(rows, "sub-04", mriqc_cjv=0.9, mriqc_cnr=0.5)
    # On its good side nothing is too far.
    plant(rows, "sub-05", mriqc_cjv=0.01, mriqc_cnr=9.0)
    checks, cautions = mriqc_checks(rows, sites, MarkersSettings(mriqc_fence=3.0))
    assert cautions == [] and list(checks.columns) == TOOL_QUALITY.names
    found = flags(rows, checks)
    assert {marker for who, marker in found if who == "sub-03"} == {"mriqc_cjv"}
    assert {marker for who, marker in found if who == "sub-04"} == {
        "mriqc_cjv", "mriqc_cnr", "mriqc_qi_1", "volume",
    }  # fmt: skip
    assert not [who for who, _ in found if who == "sub-05"]
    limit = checks.query("check == 'mriqc_cnr' and participant_id == 'sub-04'")["limit"].item()
    assert limit.startswith(">= 2.")


def test_a_fence_is_that_of_the_site():
    rows, sites = cohort(48, sites=2)
    # Usual at the other site.
    plant(rows, "sub-03", mriqc_cnr=3.0)
    together, _ = mriqc_checks(rows, {}, MarkersSettings(mriqc_fence=3.0))
    by_site, _ = mriqc_checks(rows, sites, MarkersSettings(mriqc_fence=3.0))
    assert not flags(rows, together)
    assert flags(rows, by_site) == {("sub-03", "mriqc_cnr")}


def test_a_metric_that_is_mostly_the_same_and_a_small_site_have_no_fence():
    rows, sites = cohort()
    plant(rows, "sub-03", mriqc_qi_1=0.2)
    checks, _ = mriqc_checks(rows, sites, MarkersSettings())
    told = checks[checks["check"] == "mriqc_qi_1"]
    assert told["limit"].isna().all() and told["passed"].isna().all()
    rows, sites = cohort(6)
    plant(rows, "sub-03", mriqc_cjv=99.0)
    checks, (caution,) = mriqc_checks(rows, sites, MarkersSettings())
    assert not flags(rows, checks) and caution.startswith("MRIQC: 6 images are of sites with fewer")
    checks, cautions = mriqc_checks(rows, sites, MarkersSettings(mriqc_fence=None))
    assert checks["limit"].isna().all() and cautions == []


def test_people_are_left_out_where_that_is_set():
    rows, sites = cohort()
    plant(rows, "sub-04", mriqc_cjv=0.9, mriqc_cnr=0.5)
    people = sorted(sites)
    for outliers, expected in ((None, []), (2, ["sub-04"]), (3, [])):
        settings = MarkersSettings(mriqc_outliers=outliers, mriqc_fence=3.0)
        checks, _ = mriqc_checks(rows, sites, settings)
        table = exclusions(rows, people, settings, more=mriqc_exclusions(rows, checks, settings))
        assert table["participant_id"].tolist() == expected
        if expected:
            row = table.iloc[0]
            assert (row["modality"], row["rule"], row["limit"], row["value"]) == (
                "anat", "mriqc_outliers", 2, 2.0,
            )  # fmt: skip


def test_the_published_limit_of_displacement_holds_where_nothing_else_measured_it():
    def fd(who, marker, value):
        return [who, "", "func", "brain", marker, value, "mm", "ok"]

    rows = pd.DataFrame(
        [
            fd("sub-01", "mriqc_bold_fd_mean", 0.56),
            fd("sub-02", "mriqc_bold_fd_mean", 0.55),
            fd("sub-03", "mriqc_bold_fd_mean", 0.6),
            fd("sub-03", "mean_fd", 0.4),
        ],
        columns=list(COLUMNS),
    )
    settings = MarkersSettings()
    checks, _ = mriqc_checks(rows, {}, settings)
    assert checks["passed"].tolist() == [False, True, False]
    assert set(checks["limit"]) == {"<= 0.55"}
    assert [row[:1] + row[3:] for row in mriqc_exclusions(rows, checks, settings)] == [
        ["sub-01", "max_mean_fd_mm", 0.55, 0.56]
    ]


@pytest.mark.real
def test_rated_images_of_seventeen_sites(shared_data):
    """What raters left out is flagged several times as often as what they kept."""
    path = shared_data / "derivatives/mriqc/abide-rated/abide.tsv"
    table = pd.read_csv(path, sep="\t", na_values="n/a", dtype={"subject_id": str})
    who = "sub-" + table["subject_id"]
    metrics = [name for name in METRICS["group_T1w.tsv"][1] if name in table]
    rows = pd.concat(
        [
            pd.DataFrame({"participant_id": who, "marker": f"mriqc_{m}", "value": table[m]})
            for m in metrics
        ]
    ).assign(session="", modality="anat", region="brain", unit="1", quality="ok")
    rows = rows[list(COLUMNS)].dropna(subset=["value"])
    checks, _ = mriqc_checks(rows, dict(zip(who, table["site"], strict=True)), MarkersSettings())
    beyond = checks[checks["passed"].eq(False)].groupby("participant_id").size()
    count = who.map(beyond).fillna(0)
    votes = table[["rater_1", "rater_2", "rater_3"]]
    bad = (votes == -1).sum(axis=1) > votes.notna().sum(axis=1) / 2
    assert bad.sum() == 149
    twice = count >= 2
    assert twice[bad].mean() > 4 * twice[~bad].mean()
    assert twice.mean() < 0.06
