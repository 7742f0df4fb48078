"""Fitted spectra of other tools: values, scales, quality, and what is not whole."""

from __future__ import annotations

import csv
import shutil

import pytest
from tests.tool_results import (
    SPANT,
    fslmrs_fit,
    osprey_of_study,
    osprey_output,
    spant_table,
)
from tests.tool_results import qualities_of as qualities
from tests.tool_results import read_tool as read
from tests.tool_results import values_of as values
from tests.tool_trees import lcmodel_table

from commissure.engines.ingress import fslmrs, osprey, spant
from commissure.engines.ingress.settings import SCALINGS, IngressSettings
from commissure.errors import DatasetError


def test_the_settings_know_the_scales_of_the_tools():
    known = {"fslmrs": fslmrs.SCALES, "osprey": osprey.SCALES, "spant": spant.SCALES}
    assert {tool: tuple(scales) for tool, scales in known.items()} == SCALINGS
    with pytest.raises(ValueError, match="scaling of spant is one of molal, legacy"):
        IngressSettings(tool="spant", folder="x", scaling="molality")


class TestLCModel:
    def test_values_ratios_and_quality(self, tmp_path):
        lcmodel_table(tmp_path / "sub-01/sub-01_ses-1_voi-ACC.table")
        result = read("lcmodel", tmp_path)
        found = values(result)
        assert found["lcmodel_glu", "ACC"] == 8.2
        assert found["lcmodel_glu_tcr", "ACC"] == 1.2
        assert found["lcmodel_gsh", "ACC"] == 1.9
        assert found["lcmodel_gsh_tcr", "ACC"] == 0.28
        assert (found["lcmodel_fwhm", "ACC"], found["lcmodel_snr", "ACC"]) == (0.043, 13)
        flags = {row.marker: row.quality for row in result.rows}
        assert (flags["lcmodel_glu"], flags["lcmodel_gln"]) == ("ok", "flag")
        assert result.versions == {("sub-01", "ses-1"): "6.3-1R"}

    @pytest.mark.parametrize(
        ("change", "words"),
        [({"glu": " 8,200"}, "decimal comma"), ({"lines": 9}, "its head says 9")],
    )
    def test_a_table_that_is_not_whole_gives_no_number(self, tmp_path, change, words):
        lcmodel_table(tmp_path / "sub-01_voi-ACC.table")
        lcmodel_table(tmp_path / "sub-02_voi-ACC.table", **change)
        result = read("lcmodel", tmp_path)
        assert result.people() == ["sub-01"]
        assert words in result.absences[0].cause

    def test_a_fit_that_broke_off(self, tmp_path):
        lcmodel_table(tmp_path / "sub-01_voi-ACC.table")
        (tmp_path / "sub-02_voi-ACC.table").write_text(" FATAL ERROR in MYDATA 4\n")
        assert "broke off" in read("lcmodel", tmp_path).absences[0].cause

    @pytest.mark.parametrize("name", ["svs_97.table", "sub-01.table"])
    def test_a_name_that_says_too_little_is_refused(self, tmp_path, name):
        lcmodel_table(tmp_path / name)
        with pytest.raises(DatasetError, match="its name says no"):
            read("lcmodel", tmp_path)

    def test_a_voxel_that_no_name_says_is_that_of_the_settings(self, tmp_path):
        lcmodel_table(tmp_path / "sub-01.table")
        assert values(read("lcmodel", tmp_path, voxel="PCC"))["lcmodel_glu", "PCC"] == 8.2

    def test_a_table_of_another_voxel_than_most_people_have_is_told(self, tmp_path):
        for who, voxel in (("sub-01", "ACC"), ("sub-02", "ACC"), ("sub-03", "OCC")):
            lcmodel_table(tmp_path / f"{who}_voi-{voxel}.table")
        result = read("lcmodel", tmp_path)
        (absence,) = result.absences
        assert (absence.participant_id, absence.product) == ("sub-03", "fit of ACC")
        assert absence.cause == ("2 of 3 visits have the voxel ACC; this one has OCC only")
        assert ("lcmodel_glu", "ACC") not in values(result, "sub-03")

    def test_two_tables_of_one_voxel_are_refused(self, tmp_path):
        lcmodel_table(tmp_path / "sub-01_voi-ACC.table")
        lcmodel_table(tmp_path / "a/sub-01_voi-ACC.table")
        with pytest.raises(DatasetError, match="same visit and voxel"):
            read("lcmodel", tmp_path)


class TestFSLMRS:
    def test_values_ratios_and_quality(self, tmp_path):
        fslmrs_fit(tmp_path / "sub-01_ses-1_voi-ACC")
        result = read("fslmrs", tmp_path)
        found = values(result)
        assert found["fslmrs_glu", "ACC"] == 11.5
        assert found["fslmrs_glu_tcr", "ACC"] == 1.15
        assert found["fslmrs_glx", "ACC"] == 15.0
        assert found["fslmrs_tcr", "ACC"] == 10.0
        assert ("fslmrs_tnaa", "ACC") not in found
        assert (found["fslmrs_fwhm", "ACC"], found["fslmrs_snr", "ACC"]) == (5.5, 52.0)
        told = qualities(result)
        assert (told["fslmrs_glu", "ACC"], told["fslmrs_gsh", "ACC"]) == ("ok", "flag")
        assert {row.unit for row in result.rows if row.marker == "fslmrs_glu"} == {"mmol/kg"}
        assert not [note for note in result.notes if "tissue" in note]

    def test_another_scale_has_a_name_and_unit_of_its_own(self, tmp_path):
        fslmrs_fit(tmp_path / "sub-01_voi-ACC")
        result = read("fslmrs", tmp_path, scaling="molarity")
        assert values(result)["fslmrs_glu_molar", "ACC"] == 9.2
        assert {row.unit for row in result.rows if row.marker == "fslmrs_glu_molar"} == {"mM"}
        assert ("fslmrs_glu", "ACC") not in values(result)

    def test_no_tissue_and_no_water_are_told(self, tmp_path):
        fslmrs_fit(tmp_path / "sub-01_voi-ACC", tissue=False)
        fslmrs_fit(tmp_path / "sub-02_voi-ACC", water=False)
        result = read("fslmrs", tmp_path)
        assert any("1 of 2 fits were made without tissue fractions" in n for n in result.notes)
        assert any("1 of 2 fits have no column mMol/kg" in note for note in result.notes)
        assert values(result, "sub-02")["fslmrs_glu_tcr", "ACC"] == 1.15
        assert ("fslmrs_glu", "ACC") not in values(result, "sub-02")

    @pytest.mark.parametrize(
        ("spoil", "words"),
        [
            (lambda text: text[:-9], "it ends within a line"),
            (lambda text: text.replace("11.5", '"11,5"'), "decimal comma"),
            (lambda text: text.replace("11.5", "11,5"), "has 11"),
            (lambda text: text.replace("%CRLB", "CRLB"), "its columns are"),
            (lambda text: text.replace("/Cr+PCr", "/NAA").replace("mMol/kg", "x"), "neither"),
        ],
    )
    def test_a_summary_that_is_not_whole_gives_no_number(self, tmp_path, spoil, words):
        fslmrs_fit(tmp_path / "sub-01_voi-ACC")
        path = fslmrs_fit(tmp_path / "sub-02_voi-ACC")
        path.write_text(spoil(path.read_text()))
        result = read("fslmrs", tmp_path)
        assert result.people() == ["sub-01"]
        assert words in result.absences[0].cause and result.absences[0].state == "failed"


class TestSpant:
    def test_ratios_of_amplitudes_that_have_no_scale(self, tmp_path):
        spant_table(tmp_path / "sub-01_voi-ACC/fit_res_unscaled.csv")
        result = read("spant", tmp_path)
        found = values(result)
        # The introduction to spant prints 1.10770037 and 1.24134650.
        assert found["spant_glu_tcr", "ACC"] == pytest.approx(1.10770037, rel=1e-6)
        assert found["spant_tnaa_tcr", "ACC"] == pytest.approx(1.24134650, rel=1e-6)
        assert (found["spant_fwhm", "ACC"], found["spant_snr", "ACC"]) == (0.04575392, 63.12466)
        assert not [key for key in found if key[0] == "spant_glu"]
        assert qualities(result)["spant_gln_tcr", "ACC"] == "flag"
        assert qualities(result)["spant_glu_tcr", "ACC"] == "ok"
        assert "1 of 1 fits have no fit_res_molal_conc.csv" in result.notes[0]

    def test_concentrations_by_the_scale_of_the_table(self, tmp_path):
        folder = tmp_path / "sub-01_ses-1_voi-ACC"
        more = {"GM_vol": 60.0, "WM_vol": 25.0, "CSF_vol": 15.0}
        spant_table(folder / "fit_res_molal_conc.csv", scale=2e5, more=more)
        spant_table(folder / "fit_res_legacy_conc.csv", scale=1e5)
        spant_table(folder / "fit_res_tCr_ratio.csv", scale=1 / SPANT["tCr"][0])
        result = read("spant", tmp_path)
        assert values(result)["spant_glu", "ACC"] == pytest.approx(6.727173e-05 * 2e5)
        assert values(result)["spant_glu_tcr", "ACC"] == pytest.approx(1.10770037, rel=1e-6)
        assert not [note for note in result.notes if "fits" in note]
        legacy = values(read("spant", tmp_path, scaling="legacy"))
        assert legacy["spant_glu_legacy", "ACC"] == pytest.approx(6.727173e-05 * 1e5)

    def test_a_voxel_that_counted_as_white_matter_only_is_told(self, tmp_path):
        more = {"GM_vol": 0.0, "WM_vol": 100.0, "CSF_vol": 0.0}
        spant_table(tmp_path / "sub-01_voi-ACC/fit_res_molal_conc.csv", scale=2e5, more=more)
        assert "as if the voxel were white matter only" in read("spant", tmp_path).notes[0]

    def test_several_spectra_are_no_fit_of_a_person(self, tmp_path):
        spant_table(tmp_path / "sub-01_voi-ACC/fit_res_unscaled.csv")
        spant_table(tmp_path / "sub-02_voi-ACC/fit_res_unscaled.csv", spectra=8)
        (absence,) = read("spant", tmp_path).absences
        assert (absence.participant_id, absence.state) == ("sub-02", "failed")
        assert "8 spectra" in absence.cause

    def test_a_decimal_comma_gives_no_number(self, tmp_path):
        spant_table(tmp_path / "sub-01_voi-ACC/fit_res_unscaled.csv")
        path = spant_table(tmp_path / "sub-02_voi-ACC/fit_res_unscaled.csv")
        path.write_text(path.read_text().replace("6.727173e-05", '"6,727173e-05"'))
        result = read("spant", tmp_path)
        assert result.people() == ["sub-01"] and "decimal comma" in result.absences[0].cause


#: A spectrum of Osprey's tables of ratios, tissue-corrected concentrations and bounds.
ROW = {"Glu": 1.2, "Gln": 0.3, "tCr": 1.0, "NAA_NAAG": 1.5}
TISSUE = {"Glu": 12.0, "Gln": 3.0, "tCr": 10.0, "NAA_NAAG": 15.0}
BOUND = {"Glu": 4.0, "Gln": 31.0, "tCr": 2.0, "NAA_NAAG": 1.0}


class TestOsprey:
    def tables(self, people=1):
        kinds = {"tCr": ROW, "TissCorrWaterScaled": TISSUE, "CRLB": BOUND}
        return {kind: [row] * people for kind, row in kinds.items()}

    def test_a_folder_of_everybody_takes_names_from_the_table_of_names(self, tmp_path):
        osprey_output(
            tmp_path, self.tables(2), subjects=["sub-01_voi-ACC", "sub-02_voi-ACC"],
            exclude=[0, 1], quality=[(100.5, 7.75), (80.0, 9.0)],
        )  # fmt: skip
        result = read("osprey", tmp_path)
        found = values(result, "sub-01")
        assert found["osprey_glu", "ACC"] == 12.0 and found["osprey_tcr", "ACC"] == 10.0
        assert found["osprey_glu_tcr", "ACC"] == 1.2 and found["osprey_tnaa", "ACC"] == 15.0
        assert (found["osprey_snr", "ACC"], found["osprey_fwhm", "ACC"]) == (100.5, 7.75)
        told = qualities(result, "sub-01")
        assert (told["osprey_glu", "ACC"], told["osprey_gln", "ACC"]) == ("ok", "flag")
        assert set(qualities(result, "sub-02").values()) == {"flag"}
        assert "1 of 2 spectra were excluded in Osprey" in result.notes[0]

    def test_a_folder_each_person_takes_the_name_from_the_path(self, tmp_path):
        for who in ("sub-01", "sub-02"):
            osprey_output(tmp_path / who / "ses-V1/mrs", self.tables())
        result = read("osprey", tmp_path, voxel="ACC")
        assert {(r.participant_id, r.session, r.region) for r in result.rows} == {
            ("sub-01", "ses-V1", "ACC"), ("sub-02", "ses-V1", "ACC"),
        }  # fmt: skip

    def test_another_scale_and_edited_spectra_are_told(self, tmp_path):
        tables = self.tables()
        tables["rawWaterScaled"] = [dict.fromkeys(ROW, 7.0)]
        osprey_output(tmp_path / "sub-01_voi-ACC", tables, spectrum="off")
        osprey_output(tmp_path / "sub-01_voi-ACC", tables, spectrum="diff1")
        result = read("osprey", tmp_path, scaling="rawWaterScaled")
        assert values(result)["osprey_glu_water", "ACC"] == 7.0
        assert {r.unit for r in result.rows if r.marker == "osprey_glu_water"} == {"Osprey unit"}
        assert any("edited spectra" in note for note in result.notes)
        del tables["CRLB"], tables["TissCorrWaterScaled"]
        shutil.rmtree(tmp_path / "sub-01_voi-ACC")
        osprey_output(tmp_path / "sub-01_voi-ACC", tables)
        result = read("osprey", tmp_path)
        assert any("no table TissCorrWaterScaled" in note for note in result.notes)
        assert any("their values are not judged" in note for note in result.notes)

    def test_rows_of_nobody_and_another_number_of_names_are_refused(self, tmp_path):
        osprey_output(tmp_path, self.tables(2))
        with pytest.raises(DatasetError, match="2 rows that name nobody"):
            read("osprey", tmp_path)
        osprey_output(tmp_path, self.tables(2), subjects=["sub-01_voi-ACC"])
        with pytest.raises(DatasetError, match="2 rows, and subject_names_and_excluded"):
            read("osprey", tmp_path)

    def test_a_table_that_is_cut_gives_no_number(self, tmp_path):
        for who in ("sub-01", "sub-02"):
            osprey_output(tmp_path / f"{who}_voi-ACC", self.tables())
        path = next(tmp_path.glob("sub-02*/QuantifyResults/A_Tiss*"))
        path.write_text(path.read_text()[:-4])
        result = read("osprey", tmp_path)
        assert result.people() == ["sub-01"]
        assert "ends within a line" in result.absences[0].cause


@pytest.mark.real
def test_osprey_of_a_published_study(shared_data, tmp_path):
    """Values of Osprey of five people, two visits and two voxels; the layout is Osprey's."""
    told = osprey_of_study(shared_data / "tables/mrs-reliability-osprey/long_format.csv", tmp_path)
    result = read("osprey", tmp_path)
    found = {
        (f"{r.participant_id} {r.session}", r.region, r.marker): (r.value, r.quality)
        for r in result.rows
    }
    assert len({key[:2] for key in found}) == len({key[:2] for key in told}) == 20
    for (who, voxel, name), row in told.items():
        if name in ("Glu", "Cr_PCr", "GSH"):
            marker = {"Glu": "glu", "Cr_PCr": "tcr", "GSH": "gsh"}[name]
            value, quality = found[who, voxel, f"osprey_{marker}"]
            assert value == float(row["tissue"])
            assert (quality == "flag") == (float(row["CRLB"]) > 20)
            if marker != "tcr":
                assert found[who, voxel, f"osprey_{marker}_tcr"][0] == float(row["tCr"])


@pytest.mark.real
def test_lcmodel(shared_data, tmp_path):
    shutil.copy(shared_data / "derivatives/lcmodel/svs_97.TABLE", tmp_path / "sub-01_voi-ACC.TABLE")
    found = values(read("lcmodel", tmp_path))
    with (shared_data / "derivatives/lcmodel/svs_97.CSV").open() as file:
        row = {k.strip(): v for k, v in next(csv.DictReader(file)).items()}
    for marker, name in (("glu", "Glu"), ("tnaa", "NAA+NAAG"), ("ins", "Ins"), ("gsh", "Glth")):
        assert found[f"lcmodel_{marker}", "ACC"] == float(row[name])
        assert found[f"lcmodel_{marker}_tcr", "ACC"] == float(row[f"{name}/Cr+PCr"])
    assert (found["lcmodel_fwhm", "ACC"], found["lcmodel_snr", "ACC"]) == (0.043, 13)
