"""Results of other tools become marker rows; what is not whole is told, never a number."""

from __future__ import annotations

import re

import pytest
from tests.tool_results import (
    cat12_subject,
    fslmrs_fit,
    osprey_output,
    spant_table,
    synthseg_tables,
)
from tests.tool_results import read_tool as read
from tests.tool_results import values_of as values
from tests.tool_trees import freesurfer_subject, lcmodel_table

from commissure.engines.ingress.registry import TOOLS, ingress_definitions
from commissure.engines.ingress.settings import IngressSettings
from commissure.errors import ConfigError, DatasetError
from commissure.markers.ingress import read_results, with_tools, write_ingested
from commissure.markers.registry import definitions
from commissure.markers.settings import TableSettings
from commissure.markers.table import marker_table
from commissure.outputs import COMPLETENESS


def test_every_row_has_a_definition_and_its_unit(tmp_path):
    freesurfer_subject(tmp_path / "freesurfer/sub-01")
    synthseg_tables(tmp_path / "synthseg", {"sub-01_T1w": 0.8})
    cat12_subject(tmp_path / "cat12", "sub-01_T1w")
    lcmodel_table(tmp_path / "lcmodel/sub-01_voi-ACC.table")
    fslmrs_fit(tmp_path / "fslmrs/sub-01_voi-ACC")
    spant_table(tmp_path / "spant/sub-01_voi-ACC/fit_res_molal_conc.csv", scale=1e5)
    osprey_output(
        tmp_path / "osprey/sub-01_voi-ACC",
        {"tCr": [{"Glu": 1.2, "tCr": 1.0}], "TissCorrWaterScaled": [{"Glu": 12.0, "tCr": 10.0}]},
    )
    for tool in [path.name for path in tmp_path.iterdir()]:
        defined = {d.marker: d for d in TOOLS[tool].definitions}
        result = read(tool, tmp_path / tool)
        assert result.rows
        for row in result.rows:
            assert (defined[row.marker].unit, defined[row.marker].modality) == (
                row.unit,
                row.modality,
            )


class TestFreeSurfer:
    def test_volumes_thickness_area_and_head_size(self, tmp_path):
        freesurfer_subject(tmp_path / "sub-01_ses-02")
        (tmp_path / "fsaverage").mkdir()
        result = read("freesurfer", tmp_path)
        assert {(row.participant_id, row.session) for row in result.rows} == {("sub-01", "ses-02")}
        found = values(result)
        assert found["fs_volume", "Hippocampus_L"] == 4300
        assert found["fs_volume", "superiorfrontal_R"] == 19000
        assert found["fs_thickness", "superiorfrontal_L"] == 2.7
        assert found["fs_thickness", "cortex_L"] == 2.39891
        assert found["fs_area", "bankssts_L"] == 732
        assert found["lab_head_size", "eTIV"] == 1.5e6
        assert found["fs_surface_holes", "brain"] == 49
        assert all(row.quality == "ok" for row in result.rows)

    def test_an_unfinished_person_is_told_and_the_others_stay(self, tmp_path):
        freesurfer_subject(tmp_path / "sub-01")
        freesurfer_subject(tmp_path / "sub-02", done=False)
        freesurfer_subject(tmp_path / "sub-03", done=False)
        (tmp_path / "sub-03/scripts/recon-all.error").touch()
        freesurfer_subject(tmp_path / "sub-04")
        (tmp_path / "sub-04/scripts/IsRunning.lh+rh").touch()
        (tmp_path / "sub-05").mkdir()
        result = read("freesurfer", tmp_path)
        assert result.people() == ["sub-01"]
        causes = {absence.participant_id: absence.cause for absence in result.absences}
        assert "not finished" in causes["sub-02"]
        assert "ended with an error" in causes["sub-03"]
        assert "still runs" in causes["sub-04"]
        assert "has no" in causes["sub-05"]

    @pytest.mark.parametrize(
        ("name", "spoil", "words"),
        [
            ("aseg.stats", lambda text: text[: text.index("  3  53")], "3 rows|2 rows"),
            ("aseg.stats", lambda text: text[:-12], "within a line"),
            ("aseg.stats", lambda text: text.replace("4300.0", "4300,0"), "decimal comma"),
            ("lh.aparc.stats", lambda text: text[:200], "ColHeaders"),
            ("lh.aparc.stats", lambda text: text + "cuneus 12 3\n", "3 of 5 cells"),
        ],
    )
    def test_a_table_that_is_not_whole_gives_no_number(self, tmp_path, name, spoil, words):
        folder = freesurfer_subject(tmp_path / "sub-01")
        path = folder / "stats" / name
        path.write_text(spoil(path.read_text()))
        result = read("freesurfer", tmp_path)
        (absence,) = result.absences
        assert (absence.product, absence.state) == (name, "failed")
        assert re.search(words, absence.cause)
        lost = "Hippocampus_L" if name == "aseg.stats" else "bankssts_L"
        assert ("fs_volume", lost) not in values(result)
        assert ("fs_thickness", "bankssts_R") in values(result)
        assert ("lab_head_size", "eTIV") in values(result) or name != "aseg.stats"

    def test_a_cortical_table_without_its_last_rows_is_told(self, tmp_path):
        for who in ("sub-01", "sub-02", "sub-03"):
            freesurfer_subject(tmp_path / who)
        path = tmp_path / "sub-02/stats/lh.aparc.stats"
        text = path.read_text()
        path.write_text(text[: text.index("superiorfrontal")])
        (absence,) = read("freesurfer", tmp_path).absences
        assert absence.participant_id == "sub-02"
        assert "as superiorfrontal_L" in absence.cause

    def test_what_nobody_has_is_flagged(self, tmp_path):
        freesurfer_subject(tmp_path / "sub-01", hippocampus=0.0)
        freesurfer_subject(tmp_path / "sub-02", thickness=7.0)
        freesurfer_subject(tmp_path / "sub-03", etiv=3.4e6)
        flagged = {
            (row.participant_id, row.marker, row.region)
            for row in read("freesurfer", tmp_path).rows
            if row.quality == "flag"
        }
        assert ("sub-01", "fs_volume", "Hippocampus_L") in flagged
        assert ("sub-01", "fs_volume", "FifthVentricle") not in flagged
        assert ("sub-02", "fs_thickness", "superiorfrontal_L") in flagged
        assert ("sub-03", "lab_head_size", "eTIV") in flagged

    def test_several_versions_are_told(self, tmp_path):
        freesurfer_subject(tmp_path / "sub-01", version="7.4.1")
        freesurfer_subject(
            tmp_path / "sub-02", version="$Id: mri_segstats.c,v 1.121 2016 greve Exp $"
        )
        (note,) = read("freesurfer", tmp_path).notes
        assert "several versions" in note and "before 7 (mri_segstats.c 1.121) (1)" in note

    def test_the_longitudinal_folder_of_a_visit_counts(self, tmp_path):
        freesurfer_subject(tmp_path / "sub-01_ses-1", hippocampus=4000)
        freesurfer_subject(tmp_path / "sub-01_ses-1.long.sub-01", hippocampus=4200)
        freesurfer_subject(tmp_path / "sub-01", hippocampus=4100)
        freesurfer_subject(tmp_path / "sub-02_ses-1", hippocampus=3900)
        result = read("freesurfer", tmp_path)
        assert values(result, "sub-01")["fs_volume", "Hippocampus_L"] == 4200
        assert {(r.participant_id, r.session) for r in result.rows} == {
            ("sub-01", "ses-1"), ("sub-02", "ses-1"),
        }  # fmt: skip
        assert "1 of 2 visits" in result.notes[0]

    def test_two_folders_of_one_visit_are_refused(self, tmp_path):
        freesurfer_subject(tmp_path / "sub-01")
        freesurfer_subject(tmp_path / "01")
        with pytest.raises(DatasetError, match="same visit"):
            read("freesurfer", tmp_path)

    def test_a_folder_of_something_else_is_refused(self, tmp_path):
        (tmp_path / "sub-01/anat").mkdir(parents=True)
        with pytest.raises(DatasetError, match="nobody in it has a result of FreeSurfer"):
            read("freesurfer", tmp_path)


class TestMRIQC:
    def table(self, folder, rows):
        (folder / "group_T1w.tsv").write_text(
            "bids_name\tcjv\tcnr\n" + "".join("\t".join(map(str, row)) + "\n" for row in rows)
        )
        return folder

    def test_metrics_are_confounds(self, tmp_path):
        self.table(tmp_path, [("sub-01_ses-1_T1w", 0.4, 3.1), ("sub-01_ses-1_run-2_T1w", 0.6, 2.9)])
        result = read("mriqc", tmp_path)
        assert [row.value for row in result.rows if row.marker == "mriqc_cjv"] == [0.4, 0.6]
        assert all(d.role == "confound" for d in TOOLS["mriqc"].definitions)

    def test_two_acquisitions_of_a_visit_are_refused(self, tmp_path):
        self.table(tmp_path, [("sub-01_acq-a_T1w", 0.4, 3.1), ("sub-01_acq-b_T1w", 0.6, 2.9)])
        with pytest.raises(DatasetError, match=r"acquisitions \['a', 'b'\]"):
            read("mriqc", tmp_path)

    def test_no_group_table_is_refused(self, tmp_path):
        with pytest.raises(DatasetError, match="Run mriqc BIDS FOLDER group"):
            read("mriqc", tmp_path)


class TestJoining:
    def results(self, tmp_path, imaged=()):
        rows, record = tmp_path / "rows.tsv", tmp_path / "record.json"
        settings = IngressSettings(tool="freesurfer", folder=str(tmp_path / "fs"))
        write_ingested(settings, rows, record)
        return read_results([str(rows)], [str(record)], imaged)

    def test_rows_join_the_table_and_absences_completeness(self, tmp_path):
        freesurfer_subject(tmp_path / "fs/sub-01")
        freesurfer_subject(tmp_path / "fs/sub-02", done=False)
        tools = self.results(tmp_path)
        table, _ = marker_table([], [], tools=tools)
        assert set(table["participant_id"]) == {"sub-01"}
        told = with_tools(COMPLETENESS.frame([]), tools, ["sub-01", "sub-02", "sub-03"])
        assert told[["participant_id", "product", "state"]].to_numpy().tolist() == [
            ["sub-02", "FreeSurfer: recon-all", "failed"],
            ["sub-03", "FreeSurfer", "missing"],
        ]

    def test_people_without_an_image_are_told_without_a_name(self, tmp_path):
        freesurfer_subject(tmp_path / "fs/sub-01")
        freesurfer_subject(tmp_path / "fs/sub-77")
        (tool,) = self.results(tmp_path, imaged=["sub-01", "sub-02"])
        assert "1 of 2 people" in tool.notes[-1] and "77" not in tool.notes[-1]
        with pytest.raises(DatasetError, match="nobody in it is in the study"):
            self.results(tmp_path, imaged=["sub-05"])

    def test_a_table_that_says_the_same_is_refused(self, tmp_path):
        ingress = [IngressSettings(tool="freesurfer", folder="fs")]
        table = TableSettings(file="t.tsv", marker="fs_volume", unit="mm3")
        with pytest.raises(ConfigError, match="fs_volume"):
            definitions([table], ingress)
        assert "fs_volume" in ingress_definitions(ingress)

    def test_options_of_another_tool_are_refused(self):
        with pytest.raises(ValueError, match="parcellation is an option of freesurfer"):
            IngressSettings(tool="lcmodel", folder="x", parcellation="aparc")


class TestRealFiles:
    """Files that the tools themselves wrote."""

    @pytest.fixture
    def data(self, shared_data):
        return shared_data / "derivatives"

    def test_freesurfer_7(self, data):
        folder = data / "freesurfer/freesurfer-7.0.0"
        result = read("freesurfer", folder)
        assert result.absences == [] and set(result.versions.values()) == {"7.0.0"}
        found = values(result)
        text = (folder / "sub-fs70/stats/aseg.stats").read_text()
        told = {
            line.split()[4]: float(line.split()[3]) for line in text.splitlines() if line[:1] != "#"
        }
        assert found["fs_volume", "Hippocampus_L"] == told["Left-Hippocampus"] == 4333.5
        assert found["fs_volume", "InferiorLateralVentricle_R"] == told["Right-Inf-Lat-Vent"]
        assert len([k for k in found if k[0] == "fs_thickness"]) == 2 * 34 + 2
        assert found["lab_head_size", "eTIV"] == pytest.approx(1420434.160521)

    def test_freesurfer_6_without_all_tables(self, data):
        result = read("freesurfer", data / "freesurfer/freesurfer-6.0")
        assert {(a.participant_id, a.product) for a in result.absences} == {
            ("sub-fs60a", "aseg.stats"), ("sub-fs60b", "lh.aparc.stats"),
        }  # fmt: skip
        assert all(version.startswith("before 7") for version in result.versions.values())
        assert ("lab_head_size", "eTIV") in values(result, "sub-fs60a")

    def test_fastsurfer(self, data):
        result = read("fastsurfer", data / "fastsurfer/fastsurfer-2.3.0dev")
        assert result.absences == []
        assert values(result)["fastsurfer_thickness", "caudalmiddlefrontal_L"] == 2.536

    def test_mriqc(self, data):
        result = read("mriqc", data / "mriqc/mriqc-testdata")
        assert values(result, "sub-50137")["mriqc_cjv", "brain"] == 0.5954143604542232
        assert "9 of 9 runs" in result.notes[0]
