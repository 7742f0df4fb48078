"""Matrices and time series of parcels of other tools become network connectivity."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from tests.tool_results import read_tool as read
from tests.tool_results import values_of as values

from commissure.errors import ConfigError, DatasetError


class TestParcels:
    NAMES = ("LH_Vis_1", "LH_Vis_2", "RH_Default_PFC_1", "RH_Default_PFC_2", "Left-Thalamus")

    def matrix(self, seed=0):
        return np.corrcoef(np.random.default_rng(seed).normal(size=(5, 60)))

    def write(self, folder, r, *, headed=True, name="sub-01_task-rest_space-fsLR_seg-4S156Parcels"):
        folder.mkdir(exist_ok=True)
        rows = [["Node", *self.NAMES]] if headed else []
        for parcel, line in zip(self.NAMES, r, strict=True):
            cells = ["n/a" if not np.isfinite(v) else f"{v:.10f}" for v in line]
            rows.append([parcel, *cells] if headed else cells)
        end = "_stat-pearsoncorrelation_relmat.tsv" if headed else "_desc-correlation_matrix.tsv"
        path = folder / f"{name}{end}"
        path.write_text("".join("\t".join(row) + "\n" for row in rows))
        return path

    def test_means_of_fishers_z(self, tmp_path):
        r = self.matrix()
        self.write(tmp_path, r)
        found = values(read("xcpd", tmp_path))
        assert found["xcpd_fc", "Vis"] == pytest.approx(np.arctanh(r[0, 1]))
        across = np.mean([np.arctanh(r[i, j]) for i in (0, 1) for j in (2, 3)])
        assert found["xcpd_fc", "Vis-Default"] == pytest.approx(across)
        assert len(found) == 3

    def test_a_parcel_without_a_value_does_not_count(self, tmp_path):
        r = self.matrix()
        r[0] = r[:, 0] = np.nan
        self.write(tmp_path, r)
        found = values(read("xcpd", tmp_path))
        across = np.mean([np.arctanh(r[1, j]) for j in (2, 3)])
        assert found["xcpd_fc", "Vis-Default"] == pytest.approx(across)
        assert ("xcpd_fc", "Vis") not in found

    def test_a_parcel_that_was_hardly_seen_does_not_count(self, tmp_path):
        path = self.write(tmp_path, self.matrix())
        path.with_suffix(".json").write_text(json.dumps({"Coverage": [0.3, 1, 1, 1, None]}))
        assert ("xcpd_fc", "Vis") not in values(read("xcpd", tmp_path))

    def test_a_time_series_gives_what_its_matrix_gives(self, tmp_path):
        series = np.random.default_rng(1).normal(size=(60, 5))
        (tmp_path / "a").mkdir()
        rows = ["\t".join(self.NAMES), *("\t".join(f"{v:.8f}" for v in row) for row in series)]
        name = "sub-01_task-rest_space-fsLR_seg-4S156Parcels_stat-mean_timeseries.tsv"
        (tmp_path / "a" / name).write_text("\n".join(rows) + "\n")
        self.write(tmp_path / "b", np.corrcoef(series.T))
        of_series, of_matrix = (values(read("xcpd", tmp_path / k)) for k in "ab")
        assert of_series.keys() == of_matrix.keys()
        assert all(of_series[k] == pytest.approx(of_matrix[k], abs=1e-6) for k in of_series)

    def test_names_come_from_the_table_of_the_atlas(self, tmp_path):
        self.write(tmp_path, self.matrix(), headed=False)
        with pytest.raises(DatasetError, match=r"nobody.*5 parcels have no names"):
            read("halfpipe", tmp_path)
        labels = tmp_path / "dseg.tsv"
        labels.write_text("".join(f"{i + 1}\t{n}\n" for i, n in enumerate(self.NAMES)))
        assert ("halfpipe_fc", "Vis") in values(read("halfpipe", tmp_path, labels=str(labels)))
        labels.write_text("1\tLH_Vis_1\n")
        with pytest.raises(DatasetError, match="it has 5 columns"):
            read("halfpipe", tmp_path, labels=str(labels))

    @pytest.mark.parametrize(
        ("spoil", "words"),
        [
            (lambda r: np.arctanh(np.clip(r, -0.99999, 0.99999)), "correlations, at most 1"),
            (lambda r: r + np.triu(np.full((5, 5), -0.1), 1), "symmetrical"),
        ],
    )
    def test_what_is_no_correlation_is_refused(self, tmp_path, spoil, words):
        self.write(tmp_path, spoil(self.matrix()))
        with pytest.raises(DatasetError, match=words):
            read("xcpd", tmp_path)

    def test_two_atlases_are_no_mean(self, tmp_path):
        self.write(tmp_path, self.matrix())
        self.write(tmp_path, self.matrix(), name="sub-01_task-rest_space-fsLR_seg-Gordon")
        with pytest.raises(ConfigError, match="several kinds of tables"):
            read("xcpd", tmp_path)
        assert values(read("xcpd", tmp_path, pattern="*seg-4S156*"))

    @pytest.mark.parametrize(
        "stem",
        [
            "sub-01/ses-2/func/sub-01_ses-2_task-rest_run-{run}_space-fsLR_seg-4S156Parcels_den-91k",
            "sub-01/ses-2/func/sub-01_ses-2_task-rest_run-{run}_space-MNI152NLin2009cAsym_"
            "seg-4S156Parcels",
            "sub-01/ses-2/func/sub-01_ses-2_task-rest_run-{run}_space-MNIInfant_cohort-1_seg-Gordon",
        ],
    )
    @pytest.mark.parametrize("end", ["relmat", "conmat", "timeseries"])
    def test_runs_and_visits_of_xcpd(self, tmp_path, stem, end):
        """Names with ``seg-`` and before 0.7; each run is a row, and their mean the visit's."""
        for run in (1, 2):
            path = tmp_path / f"{stem.format(run=run)}_"
            path.parent.mkdir(parents=True, exist_ok=True)
            made = self.write(tmp_path / "made", self.matrix(run))
            if end == "timeseries":
                series = np.random.default_rng(run).normal(size=(60, 5))
                lines = ["\t".join(self.NAMES), *("\t".join(map(str, row)) for row in series)]
                made.write_text("\n".join(lines) + "\n")
            word = {"relmat": "stat-pearsoncorrelation", "conmat": "measure-pearsoncorrelation",
                    "timeseries": "stat-mean"}[end]  # fmt: skip
            made.rename(f"{path}{word}_{end}.tsv")
        (tmp_path / "made").rmdir()
        rows = [row for row in read("xcpd", tmp_path).rows if row.region == "Vis"]
        assert {(row.participant_id, row.session) for row in rows} == {("sub-01", "ses-2")}
        expected = [np.arctanh(self.matrix(run)[0, 1]) for run in (1, 2)]
        if end == "timeseries":
            expected = [
                np.arctanh(np.corrcoef(np.random.default_rng(run).normal(size=(60, 5)).T)[0, 1])
                for run in (1, 2)
            ]
        assert [row.value for row in rows] == pytest.approx(expected)

    def test_runs_and_visits_of_halfpipe(self, tmp_path):
        labels = tmp_path / "dseg.tsv"
        labels.write_text("".join(f"{i + 1}\t{n}\n" for i, n in enumerate(self.NAMES)))
        folder = tmp_path / "halfpipe/sub-01/ses-2/func/task-rest"
        folder.mkdir(parents=True)
        for run in (1, 2):
            name = f"sub-01_ses-2_task-rest_run-{run}_feature-corrMatrix1_atlas-schaefer"
            self.write(folder, self.matrix(run), headed=False, name=name)
        result = read("halfpipe", tmp_path / "halfpipe", labels=str(labels))
        rows = [row for row in result.rows if row.region == "Vis"]
        assert [(row.participant_id, row.session) for row in rows] == [("sub-01", "ses-2")] * 2
        expected = [np.arctanh(self.matrix(run)[0, 1]) for run in (1, 2)]
        assert [row.value for row in rows] == pytest.approx(expected)

    def test_other_tasks_are_left_out(self, tmp_path):
        self.write(tmp_path, self.matrix(), name="sub-01_task-nback_seg-4S156Parcels")
        with pytest.raises(DatasetError, match="of the tasks rest"):
            read("xcpd", tmp_path)


@pytest.mark.real
def test_halfpipe(shared_data):
    base = shared_data / "derivatives/halfpipe-ds000030"
    labels = base / "atlas/atlas-Schaefer2018Combined_dseg.tsv"
    result = read("halfpipe", base / "derivatives/halfpipe", labels=str(labels))
    assert result.people() == ["sub-10159", "sub-10171"]
    assert set(result.versions.values()) == {"1.2.3.post1.dev29+gfe11a14b"}
    # One person's matrix is what the tool made of its time series, so both roads meet.
    run = "sub-10159/func/task-rest/sub-10159_task-rest_feature-corrMatrix1_atlas-schaefer400"
    series = np.genfromtxt(base / f"derivatives/halfpipe/{run}_timeseries.tsv")
    names = [line.split("\t")[1] for line in labels.read_text().splitlines()]
    visual = [i for i, name in enumerate(names) if "_VisCent_" in name]
    z = np.arctanh(np.corrcoef(series[:, visual].T)[np.triu_indices(len(visual), 1)])
    value = values(result, "sub-10159")["halfpipe_fc", "VisCent"]
    assert math.isclose(value, np.nanmean(z), rel_tol=0.02)
