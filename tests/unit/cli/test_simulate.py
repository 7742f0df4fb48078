"""The command that simulates: settings by name, and old options refused with the new one."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from commissure.cli import app
from commissure.cli.renamed_options import RENAMED
from commissure.phantom import simulate as simulator
from commissure.phantom.request import Request
from commissure.settings import SECTION, options


@pytest.fixture
def asked(monkeypatch) -> dict:
    """What the command hands on, instead of a simulated cohort."""
    calls: dict = {}
    monkeypatch.setattr(
        simulator, "simulate", lambda out, request, **more: calls.update(request=request, **more)
    )
    return calls


def test_the_command_hands_everything_on(asked, tmp_path):
    words = (
        "--preset clinical --seed 4 --jobs 1 --set cohort.site_people=[[5,8,12],[3,1,0]] "
        "--set cohort.missing=0.2 --set cohort.missing_by=site --set cohort.auc=0.8 "
        "--set cohort.visits=2 --set cohort.years_between=0 --set cohort.travelling=3 "
        "--set cohort.motion=0 --set cohort.noise_seed=7 --set cohort.patient_effects=0.5 "
        "--set func.repetition_time_s=1.5 --set dwi.more_shells=[[2000,60],[3000,30]] "
        "--set dwi.crossing=false --set mrs.sequence=sLASER --set mrs.echo_time_s=0.035"
    )
    done = CliRunner().invoke(app, ["simulate", str(tmp_path / "bids"), *words.split()])
    assert done.exit_code == 0, done.output
    request = asked["request"]
    assert asked["jobs"] == 1
    assert request.preset == "clinical"
    assert request.func.repetition_time_s == 1.5
    assert request.dwi.more_shells == ((2000.0, 60), (3000.0, 30))
    assert request.dwi.crossing is False
    assert (request.mrs.sequence, request.mrs.echo_time_s) == ("sLASER", 0.035)
    cohort = request.cohort
    assert cohort.site_people == ((5, 8, 12), (3, 1, 0))
    assert (cohort.missing, cohort.missing_by, cohort.auc, cohort.visits) == (0.2, "site", 0.8, 2)
    assert (cohort.travelling, cohort.noise_seed, cohort.seed) == (3, 7, 4)
    assert (cohort.years_between, cohort.motion, cohort.patient_effects) == (0, 0, 0.5)


def test_subjects_are_shared_out(asked, tmp_path):
    done = CliRunner().invoke(app, ["simulate", str(tmp_path / "bids"), "--subjects", "24"])
    assert done.exit_code == 0, done.output
    assert asked["request"].cohort.group_sizes == (7, 9, 8)


@pytest.mark.parametrize("text", ["voxel", "=3", "dwi.voxel_mm", "dwi.more_shells=[1"])
def test_a_setting_is_a_name_and_a_value(text, asked, tmp_path):
    done = CliRunner().invoke(app, ["simulate", str(tmp_path / "bids"), "--set", text])
    assert done.exit_code == 2
    assert not asked


def test_a_wrong_setting_ends_in_one_sentence(asked, tmp_path):
    words = ["simulate", str(tmp_path / "bids"), "--set", "dwi.voxl_mm=2"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1
    assert "did you mean dwi.voxel_mm?" in " ".join(done.output.split())
    assert not asked


def test_old_options_are_refused_with_the_new_one_named(asked, tmp_path):
    words = (
        "--bold-tr 2 --field-hz=40 --no-dwi-crossing --dwi-shell 2000:60 --site 5,8,12 --site 1,0,3"
    )
    done = CliRunner().invoke(app, ["simulate", *words.split(), str(tmp_path / "bids")])
    assert done.exit_code == 2
    for sentence in (
        "--bold-tr is now --set func.repetition_time_s=2",
        "--field-hz is now --set off_resonance_hz=40",
        "--no-dwi-crossing is now --set dwi.crossing=false",
        "--dwi-shell is now --set dwi.more_shells=[[2000,60]]",
        "--site is now --set cohort.site_people=[[5,8,12],[1,0,3]]",
    ):
        assert sentence in done.output
    assert not asked


def test_every_old_option_became_a_setting_that_is_there():
    settings = {name for name, default, _ in options(Request) if default is not SECTION}
    assert set(RENAMED.values()) <= settings


def test_lesions_are_simulated_instead_of_a_cohort(tmp_path):
    words = ["simulate", str(tmp_path / "bids"), "--lesions", "liver", "--subjects", "1",
             "--follow-ups", "0", "--seed", "3"]  # fmt: skip
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    names = {path.name for path in (tmp_path / "bids/sub-01/ses-1/ct").iterdir()}
    assert "sub-01_ses-1_ce-iodine_label-lesion_dseg.nii.gz" in names
    truth = (tmp_path / "bids/sourcedata/truth/responses.tsv").read_text()
    assert truth == "participant_id\tsession\tresponse\n"
    done = CliRunner().invoke(app, [*words[:-1], "4"])
    assert done.exit_code and "another simulation (seed 3 there and 4 here)" in done.output
    for wrong in (["--lesions", "lung"], ["--lesions", "head", "--set", "dwi.voxel_mm=2"]):
        done = CliRunner().invoke(app, ["simulate", str(tmp_path / "b"), *wrong])
        assert done.exit_code and "liver or head" in done.output
        assert not (tmp_path / "b").exists()
