"""The text of methods says what ran, and cites what is in the bibliography and nothing else."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from commissure.flow.settings import Settings
from commissure.func.strategies import STRATEGIES
from commissure.report.methods_text import diffusion, images, models, spectra
from commissure.report.methods_text.citations import bibliography, cited, references
from commissure.report.methods_text.images import _STRATEGY
from commissure.report.methods_text.record import run_record
from commissure.report.methods_text.write import paragraphs, tex, write_methods

DEFAULTS = Settings().model_dump(mode="json")


def record(small, **changes):
    """The small run with other options."""
    run = small.input()
    configuration = {name: dict(section) if isinstance(section, dict) else section
                     for name, section in DEFAULTS.items()}  # fmt: skip
    for section, options in changes.items():
        configuration[section] |= options
    return run_record(
        run.results, statuses=small.statuses, configuration=yaml.safe_dump(configuration),
        acquired={},
    )  # fmt: skip


def with_sidecars(run, modality, *sidecars):
    return dataclasses.replace(run, preprocessed={**run.preprocessed, modality: list(sidecars)})


def test_every_citation_has_an_entry_and_every_entry_what_it_needs():
    known = references()
    for reference in known.values():
        assert {"author", "title", "year"} <= set(reference.fields), reference.key
        assert reference.key == "commissure" or reference.key.endswith(reference.fields["year"])
        assert re.fullmatch(r"10\.\d{4,}/\S+", reference.fields.get("doi", "10.1000/x"))
        assert not re.search(r"[{}\\]", reference.label + reference.line)
    folder = Path(images.__file__).parent
    sources = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))
    used = set(re.findall(r"@([a-z]+\d{4}|commissure)\b", sources))
    assert used == set(known)


def test_every_strategy_has_its_literature():
    assert set(_STRATEGY) == set(STRATEGIES)


def test_the_files_hang_together(tmp_path, small):
    names = {kind: tmp_path / f"methods.{end}"
             for kind, end in (("markdown", "md"), ("latex", "tex"), ("bibtex", "bib"))}  # fmt: skip
    write_methods(record(small), **names)
    latex, bib = names["latex"].read_text(), names["bibtex"].read_text()
    cites = {key for group in re.findall(r"\\cite\{([^}]+)\}", latex) for key in group.split(",")}
    assert cites == set(re.findall(r"^@\w+\{(\w+),", bib, re.M)) and len(cites) > 10
    assert "@" not in names["markdown"].read_text().replace("@media", "")
    assert latex.count("{") == latex.count("}")
    if shutil.which("pdflatex") and shutil.which("bibtex"):
        for program in ("pdflatex -interaction=nonstopmode -halt-on-error", "bibtex",
                        "pdflatex -interaction=nonstopmode", "pdflatex -interaction=nonstopmode"):  # fmt: skip
            done = subprocess.run([*program.split(), "methods"], cwd=tmp_path,
                                  capture_output=True, text=True)  # fmt: skip
            assert done.returncode == 0, done.stdout[-2000:]
        assert "undefined" not in done.stdout


def test_a_step_that_did_not_run_is_not_claimed(small):
    run = record(small)
    on = {"Denoising": "mppca", "GibbsRingingRemoved": True, "SusceptibilityCorrected": True}
    off = {"Denoising": "none", "GibbsRingingRemoved": False, "SusceptibilityCorrected": False}
    with_all = " ".join(diffusion.dwi(with_sidecars(run, "dwi", on, on)))
    assert "Marchenko-Pastur" in with_all and "kellner2016" in with_all
    assert "Susceptibility distortion was corrected in all 2" in with_all
    without = " ".join(diffusion.dwi(with_sidecars(run, "dwi", off, off)))
    assert "veraart2016" not in without and "kellner2016" not in without
    assert "Susceptibility distortion was corrected in none of 2" in without
    mixed = " ".join(diffusion.dwi(with_sidecars(run, "dwi", on, off)))
    assert "Gibbs ringing was removed by subvoxel shifts [@kellner2016] in 1 of 2" in mixed


@pytest.mark.parametrize(
    ("engine", "said"),
    [("fmriprep", "esteban2019"), ("derivatives", "TO THE AUTHORS"), ("builtin", "tustison2010")],
)
def test_another_engine_has_another_text(small, engine, said):
    run = with_sidecars(record(small, anat={"engine": engine, "from": "/data/x/fmriprep"}), "anat",
                        {"BrainExtraction": {"Name": "deepbet"}})  # fmt: skip
    words = " ".join(images.anat(run))
    assert said in words
    assert ("fisch2024" in words) == (engine == "builtin")
    assert "/data/x" not in words


def test_mrtrix3_is_told_by_its_commands_and_versions(small):
    makers = [{"Name": "MRtrix3", "Version": "3.0.3"}, {"Name": "Nipype", "Version": "1.10.0"}]
    made = {"GeneratedBy": makers, "Denoising": "dwidenoise", "GibbsRingingRemoved": True}
    run = with_sidecars(record(small, dwi={"engine": "mrtrix3"}), "dwi", made, made)
    words = " ".join(diffusion.dwi(run))
    assert "with MRtrix3 3.0.3 [@tournier2019], called through Nipype 1.10.0" in words
    assert "Noise was reduced by dwidenoise of MRtrix3 [@veraart2016] in all 2 series" in words
    assert "by mrdegibbs [@kellner2016] in all 2" in words
    left = with_sidecars(run, "dwi", {**made, "Denoising": "none", "GibbsRingingRemoved": False})
    assert not {"veraart2016", "kellner2016"} & set(cited(" ".join(diffusion.dwi(left))))


def test_qsiprep_is_told_by_its_image_and_options(small):
    made = {"GeneratedBy": [{"Name": "QSIPrep", "Version": "1.1.1"}]}
    run = with_sidecars(record(small, dwi={"engine": "qsiprep"}), "dwi", made)
    words = " ".join(diffusion.dwi(run))
    assert "by QSIPrep 1.1.1 (image pennlinc/qsiprep:1.1.1) [@cieslak2021]" in words
    assert "FSL’s eddy [@andersson2016]." in words and "further options" not in words
    assert "TO THE AUTHORS" in words and "preprocessed by the engine" not in words
    options = {"options": ["--hmc-model", "3dSHORE"], "field_maps": False}
    other = record(small, dwi={"engine": "qsiprep"}, qsiprep=options)
    words = " ".join(diffusion.dwi(with_sidecars(other, "dwi", made)))
    assert "andersson2016" not in words and "“--hmc-model 3dSHORE”" in words
    assert "Field maps of the dataset were not used." in words


def test_slice_timing_and_volumes_left_out_are_counted(small):
    a = {"SliceTimingCorrected": True, "NumberOfVolumesDiscardedByUser": 4}
    b = {"SliceTimingCorrected": False, "NumberOfVolumesDiscardedByUser": 0}
    words = " ".join(images.func(with_sidecars(record(small), "func", a, b)))
    assert "Slice timing was corrected in 1 of 2 runs" in words
    assert "The first 4 volumes of 1 of 2 runs were left out" in words


def test_spectra_name_only_the_steps_that_were_applied(small):
    steps = [{"step": "alignment", "applied": True}, {"step": "eddy currents", "applied": False}]
    words = " ".join(spectra.mrs(with_sidecars(record(small), "mrs", {"Steps": steps})))
    assert "near2015" in words and "klose1990" not in words


def test_models_say_what_was_asked_and_what_was_not(small):
    words = " ".join(models.fusion(record(small)))
    assert "howes2017" in words and "johnson2007" not in words
    assert "johnson2007" in " ".join(models.fusion(record(small, fusion={"combat": "in_fold"})))
    label = {"source": "column", "column": "outcome"}
    by_column = " ".join(models.fusion(record(small, fusion={"label": label})))
    assert "howes2017" not in by_column and "TO THE AUTHORS" in by_column
    run = record(small)
    nothing = dataclasses.replace(run, results=dataclasses.replace(run.results, metrics={}))
    assert models.fusion(nothing) == ["No model was asked for."]


def test_a_modality_that_did_not_run_has_no_paragraph(small):
    run = record(small)
    none = dataclasses.replace(run, preprocessed={**run.preprocessed, "mrs": []},
                               measured={**run.measured, "mrs": []})  # fmt: skip
    assert "MR spectroscopy" in paragraphs(run)
    assert "MR spectroscopy" not in paragraphs(none)
    assert "govindaraju2000" not in cited(" ".join(paragraphs(none).values()))


def test_an_unknown_key_is_an_error():
    with pytest.raises(KeyError):
        bibliography(["nobody1900"])


def test_what_latex_would_read_is_written_out():
    assert tex("5 % of a_b & {c} \\x #1 ²") == (
        r"5 \% of a\_b \& \{c\} \textbackslash{}x \#1 \textsuperscript{2}"
    )
    assert tex("\u202emoc") == "?moc"
