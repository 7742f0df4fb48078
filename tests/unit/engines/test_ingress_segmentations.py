"""Volumes and thickness of SynthSeg and CAT12: names, units, quality, and what is not whole."""

from __future__ import annotations

import pytest
from tests.tool_results import cat12_subject, synthseg_tables
from tests.tool_results import qualities_of as qualities
from tests.tool_results import read_tool as read
from tests.tool_results import values_of as values

from commissure.errors import DatasetError


class TestSynthSeg:
    def test_volumes_under_the_names_of_structures(self, tmp_path):
        synthseg_tables(tmp_path, {"sub-01_ses-2_T1w": 0.7, "sub-02_ses-2_T1w": 0.9})
        result = read("synthseg", tmp_path)
        found = values(result, "sub-01")
        assert {(r.participant_id, r.session) for r in result.rows} == {
            ("sub-01", "ses-2"), ("sub-02", "ses-2"),
        }  # fmt: skip
        for region, value in (
            ("Hippocampus_L", 4012.25), ("Hippocampus_R", 4100.75), ("Accumbens_L", 612.125),
            ("CerebralWhiteMatter_L", 231000.1), ("InferiorLateralVentricle_L", 410.5),
            ("ThirdVentricle", 1100.5), ("BrainStem", 21000.0), ("VentralDC_L", 4200.0),
            ("CSF", 1002.0), ("superiorfrontal_L", 21000.5), ("Thalamus_L", 7612.25),
        ):  # fmt: skip
            assert found["synthseg_volume", region] == value
        assert found["lab_head_size", "TIV"] == 1523456.5
        assert found["synthseg_qc", "hippocampus+amygdala"] == 0.7
        assert set(qualities(result).values()) == {"ok"}

    def test_a_low_score_flags_the_whole_segmentation(self, tmp_path):
        synthseg_tables(tmp_path, {"sub-01_T1w": 0.64, "sub-02_T1w": 0.66})
        result = read("synthseg", tmp_path)
        for who, quality in (("sub-01", "flag"), ("sub-02", "ok")):
            told = qualities(result, who)
            assert told["synthseg_volume", "Hippocampus_L"] == quality
            assert told["lab_head_size", "TIV"] == quality

    def test_without_scores_it_is_told(self, tmp_path):
        synthseg_tables(tmp_path, {"sub-01_T1w": 0.9}, scores=False)
        assert "1 of 1 segmentations have no scores" in read("synthseg", tmp_path).notes[0]

    def test_a_table_in_the_folder_of_each_person(self, tmp_path):
        for who in ("sub-01", "sub-02"):
            synthseg_tables(tmp_path / who / "stats", {"orig.mgz": 0.9}, name="synthseg.vol.csv")
        (tmp_path / "sub-01/stats/other.csv").write_text("a,b\n1,2\n")
        assert read("synthseg", tmp_path).people() == ["sub-01", "sub-02"]

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"left hippocampus": "4012;5"}, "left hippocampus is '4012;5'"),
            ({"left hippocampus": ""}, "left hippocampus is ''"),
        ],
    )
    def test_a_row_that_is_not_whole_gives_no_number(self, tmp_path, changed, words):
        synthseg_tables(tmp_path, {"sub-01_T1w": 0.9})
        synthseg_tables(tmp_path, {"sub-02_T1w": 0.9}, name="b.csv", changed=changed)
        result = read("synthseg", tmp_path)
        assert {r.participant_id for r in result.rows if r.marker == "synthseg_volume"} == {
            "sub-01"
        }
        assert words in result.absences[0].cause

    def test_two_rows_of_a_visit_and_rows_of_nobody_are_refused(self, tmp_path):
        synthseg_tables(tmp_path, {"sub-01_T1w": 0.9})
        synthseg_tables(tmp_path, {"sub-01_T2w": 0.9}, name="b.csv")
        with pytest.raises(DatasetError, match="same visit"):
            read("synthseg", tmp_path)
        synthseg_tables(tmp_path, {"brain7": 0.9}, name="b.csv", scores=False)
        with pytest.raises(DatasetError, match="subject is 'brain7'"):
            read("synthseg", tmp_path)

    def test_an_empty_structure_and_an_odd_head_are_flagged(self, tmp_path):
        changed = {"left hippocampus": 0.0}
        synthseg_tables(tmp_path, {"sub-01_T1w": 0.9}, changed=changed)
        changed = {"total intracranial": 3.1e6}
        synthseg_tables(tmp_path, {"sub-02_T1w": 0.9}, name="b.csv", changed=changed)
        result = read("synthseg", tmp_path)
        assert qualities(result, "sub-01")["synthseg_volume", "Hippocampus_L"] == "flag"
        assert qualities(result, "sub-01")["synthseg_volume", "Hippocampus_R"] == "ok"
        assert qualities(result, "sub-02")["synthseg_volume", "Hippocampus_R"] == "flag"


class TestCAT12:
    def test_millilitres_become_cubic_millimetres(self, tmp_path):
        cat12_subject(tmp_path, "sub-01_ses-1_T1w")
        result = read("cat12", tmp_path)
        found = values(result)
        assert found["lab_head_size", "TIV"] == 1512.5e3
        assert found["cat12_volume", "GM"] == 612.25e3
        assert found["cat12_volume", "CSF"] == pytest.approx(322.1e3)
        assert found["cat12_volume", "Hippocampus_L"] == pytest.approx(3451.2)
        assert found["cat12_volume", "SupFroGy_L"] == 12500
        # A ventricle is fluid, and not the grey matter around it.
        assert found["cat12_volume", "ThirdVentricle_L"] == 850
        assert found["cat12_thickness", "bankssts_L"] == 2.51
        assert ("cat12_thickness", "unknown_L") not in found
        assert found["cat12_image_grade", "brain"] == 2.1
        assert result.versions == {("sub-01", "ses-1"): "12.9 r2577"}
        assert set(qualities(result).values()) == {"ok"} and not result.absences

    def test_a_poor_image_and_an_odd_head_are_flagged(self, tmp_path):
        cat12_subject(tmp_path, "sub-01_T1w", grade="3.9")
        cat12_subject(tmp_path, "sub-02_T1w", tiv="2950.0")
        result = read("cat12", tmp_path)
        assert set(qualities(result, "sub-01").values()) == {"flag"}
        assert qualities(result, "sub-02")["lab_head_size", "TIV"] == "flag"
        assert qualities(result, "sub-02")["cat12_volume", "Hippocampus_L"] == "ok"

    @pytest.mark.parametrize(
        ("name", "spoil", "words"),
        [
            ("label/catROI_", lambda text: text[:200], "it is cut off"),
            ("label/catROI_", lambda text: text.replace(";12.5]", "]"), "4 regions and 3 values"),
            ("label/catROI_", lambda text: text.replace("3.4512", "3,4512"), "decimal comma"),
            ("report/cat_", lambda text: text.replace("1512.5", ""), "has no vol_TIV"),
        ],
    )
    def test_a_file_that_is_not_whole_gives_no_number(self, tmp_path, name, spoil, words):
        for who in ("sub-01", "sub-02"):
            cat12_subject(tmp_path, f"{who}_T1w")
        path = tmp_path / f"{name}sub-02_T1w.xml"
        path.write_text(spoil(path.read_text()))
        result = read("cat12", tmp_path)
        absence = next(a for a in result.absences if a.state == "failed")
        assert absence.participant_id == "sub-02" and words in absence.cause
        lost = ("lab_head_size", "TIV") if "report" in name else ("cat12_volume", "Hippocampus_L")
        assert lost not in values(result, "sub-02") and lost in values(result, "sub-01")

    def test_a_table_of_all_images_stands_in_for_label_files(self, tmp_path):
        for who in ("sub-01", "sub-02"):
            cat12_subject(tmp_path, f"{who}_T1w")
        (tmp_path / "label/catROI_sub-02_T1w.xml").unlink()
        for value, cells in (("Vgm", "0.01,3.25"), ("Vcsf", "0.85,0.2")):
            lines = [f"{who}_T1w,{cells}" for who in ("sub-01", "sub-02")]
            text = "\n".join(["names,l3thVen,lHip", *lines]) + "\n"
            (tmp_path / f"ROI_catROI_neuromorphometrics_{value}.csv").write_text(text)
        result = read("cat12", tmp_path)
        assert values(result, "sub-01")["cat12_volume", "Hippocampus_L"] == pytest.approx(3451.2)
        found = values(result, "sub-02")
        assert found["cat12_volume", "Hippocampus_L"] == 3250
        assert found["cat12_volume", "ThirdVentricle_L"] == 850
        assert result.absences == []

    def test_another_atlas_is_named(self, tmp_path):
        cat12_subject(tmp_path, "sub-01_T1w")
        (absence,) = read("cat12", tmp_path, parcellation="cobra").absences
        assert "no atlas cobra, but neuromorphometrics" in absence.cause
