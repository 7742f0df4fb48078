"""The programs of MRtrix3 do the steps of the built-in engine, and leave the same files."""

from __future__ import annotations

import json
import os

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from tests.unit.dwi.conftest import rician, signal, table, tensor

from commissure.dwi.builtin.denoise import mppca
from commissure.dwi.builtin.gibbs import without_ringing
from commissure.dwi.builtin.preprocess import preprocess as preprocess_builtin
from commissure.dwi.derivatives import DwiFiles
from commissure.dwi.gradients import Gradients, write_gradients
from commissure.dwi.settings import DwiPreprocessSettings
from commissure.dwi.tensor import fit_tensor
from commissure.engines.mrtrix3.preprocess import (
    denoised,
    fitted_tensor,
    outlined,
    preprocess,
    unrung,
)
from commissure.engines.mrtrix3.programs import check_programs, last_words, version
from commissure.errors import ConfigError, DatasetError, QualityError
from commissure.flow.transient import is_transient
from commissure.names import Scan

needs_mrtrix3 = pytest.mark.usefixtures("mrtrix3")


def stub(folder, name, text):
    """A program of this name, first on the path."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


class TestPrograms:
    def test_without_them_one_sentence_says_what_to_install(self, monkeypatch):
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(
            ConfigError, match=r"dwidenoise, .* not on the path.*apt install mrtrix3"
        ):
            check_programs()
        assert version() == ""

    @pytest.mark.parametrize(
        ("text", "words"),
        [("echo '== dwidenoise 3.1.0 =='", "says 3.1.0"), ("exit 1", "nothing that can be read")],
    )
    def test_another_version_is_refused(self, tmp_path, monkeypatch, text, words):
        folder = tmp_path / "bin"
        for name in ("mrdegibbs", "dwi2mask", "dwi2tensor", "tensor2metric", "dwidenoise"):
            path = stub(folder, name, text)
        monkeypatch.setenv("PATH", path)
        with pytest.raises(ConfigError, match=words):
            check_programs()

    @needs_mrtrix3
    def test_those_of_this_machine_are_taken(self):
        check_programs()
        assert version().startswith("3.0")

    def test_last_words_are_those_of_the_error(self):
        text = "dwi2mask: [WARNING] a\ndwi2mask: \x1b[01;31m[ERROR] no grid\x1b[0m\nbye\n"
        assert last_words(text) == "no grid"
        assert last_words("Killed\n") == "Killed"
        assert last_words("") == "it said nothing"


SERIES = np.ones((6, 6, 6, 8), np.float32)
INSIDE = np.ones((6, 6, 6), bool)


class TestFailures:
    @needs_mrtrix3
    def test_a_program_that_fails_is_told_with_its_own_last_words(self):
        with pytest.raises(DatasetError, match="sub-01: dwidenoise of MRtrix3 3.* must be 4-dim"):
            denoised(SERIES[..., 0], INSIDE, who="sub-01")

    @pytest.mark.parametrize(
        ("text", "machine"),
        [
            ("kill -9 $$", True),
            ("echo 'dwidenoise: [ERROR] No space left on device' >&2; exit 1", True),
            ("echo 'dwidenoise: [ERROR] series is odd' >&2; exit 1", False),
        ],
    )
    def test_what_the_machine_did_is_tried_again(self, tmp_path, monkeypatch, text, machine):
        monkeypatch.setenv("PATH", stub(tmp_path / "bin", "dwidenoise", text))
        with pytest.raises(DatasetError, match="dwidenoise of MRtrix3") as raised:
            denoised(SERIES, INSIDE, who="sub-01")
        assert is_transient(raised.value) is machine

    def test_a_program_that_went_is_told(self, monkeypatch):
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(
            DatasetError, match="dwidenoise of MRtrix3 is not on the path where the job runs"
        ):
            denoised(SERIES, INSIDE, who="sub-01")


@needs_mrtrix3
class TestSteps:
    def test_noise_is_taken_away_as_by_ours(self):
        rng = np.random.default_rng(0)
        bvals, directions = table(24, 3)
        axes = rng.normal(size=(4, 3))
        tensors = np.stack([tensor(axis, 0.6, 0.8e-3) for axis in axes])
        clean = np.repeat(signal(tensors, bvals, directions, 100.0), 500, axis=0)
        clean = clean.reshape(20, 10, 10, -1)
        noisy = (clean + rng.normal(0, 3, clean.shape)).astype(np.float32)
        inside = np.ones(clean.shape[:3], bool)
        inside[:, :, :2] = False
        theirs, noise = denoised(noisy, inside, who="sub-01")
        ours, _ = mppca(noisy, inside, step=1)
        assert np.median(noise[inside]) == pytest.approx(3, rel=0.05)
        assert (theirs[~inside] == noisy[~inside]).all() and not noise[~inside].any()
        errors = [np.std((each - clean)[inside]) for each in (noisy, ours, theirs)]
        # Ours averages what overlapping patches say of a voxel; dwidenoise takes that around it.
        assert errors[1] < errors[2] < 0.5 * errors[0]

    def test_ringing_goes_as_by_ours(self):
        fine = np.zeros((96, 96))
        fine[20:71, 30:60] = 100
        # What a scanner measures of it: the middle of k-space.
        middle = np.fft.fftshift(np.fft.fft2(fine))[32:64, 32:64]
        rung = np.abs(np.fft.ifft2(np.fft.ifftshift(middle))) / 9
        series = np.repeat(rung[:, :, None, None], 3, axis=2).astype(np.float32)
        everywhere = np.ones(series.shape[:3], bool)
        theirs = unrung(series, everywhere, who="sub-01")
        ours = without_ringing(series, everywhere)
        flat = (slice(9, 21), slice(12, 18))
        assert np.std(theirs[flat]) < 0.5 * np.std(series[flat])
        assert np.abs(theirs - ours)[:, :, 1].max() < 0.05 * 100

    def test_the_brain_is_outlined_and_nothing_else_is_one(self):
        affine = np.diag([-4.0, 4.0, 4.0, 1.0])
        places = np.stack(np.meshgrid(*[np.arange(40)] * 3, indexing="ij"), axis=-1) - 19.5
        brain = (np.linalg.norm(places * [4, 4, 4] / [65, 80, 60], axis=-1)) < 1
        rng = np.random.default_rng(0)
        bvals, directions = table(6, 1)
        decay = np.where(bvals > 0, 0.4, 1)
        series = np.where(brain[..., None], 900 * decay, 30)
        series = (series + rng.normal(0, 10, series.shape)).astype(np.float32)
        gradients, first = Gradients(bvals, directions), bvals == 0
        mask = outlined(series, gradients, first, affine, who="sub-01")
        assert 2 * (mask & brain).sum() / (mask.sum() + brain.sum()) > 0.97
        with pytest.raises(QualityError, match="a brain of 0.3 to 3 l is expected"):
            outlined(series, gradients, first, np.diag([-1.0, 1.0, 1.0, 1.0]), who="sub-01")

    @pytest.mark.parametrize("turn", [0.0, 0.4])
    def test_the_tensor_is_ours(self, turn):
        rng = np.random.default_rng(1)
        bvals, directions = table(20, 2)
        axes = rng.normal(size=(216, 3))
        tensors = np.stack([tensor(axis, 0.7, 0.8e-3) for axis in axes])
        series = signal(tensors, bvals, directions, 500.0).reshape(6, 6, 6, -1)
        series = (series + rng.normal(0, 5, series.shape)).clip(1).astype(np.float32)
        affine = np.diag([-2.0, 2.0, 2.5, 1.0])
        affine[:2, :2] = (
            np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ affine[:2, :2]
        )
        inside = np.ones((6, 6, 6), bool)
        inside[0] = False
        theirs = fitted_tensor(series, Gradients(bvals, directions), inside, affine, who="a")
        ours = fit_tensor(series, Gradients(bvals, directions), inside)
        for name, within in (("fa", 2e-3), ("md", 2e-6), ("s0", 1.0), ("residual", 0.1)):
            assert np.allclose(getattr(theirs, name), getattr(ours, name), atol=within), name
        alike = np.abs((theirs.direction * ours.direction).sum(axis=-1))
        assert alike[inside].min() > 0.999
        true = axes.reshape(6, 6, 6, 3) / np.linalg.norm(axes, axis=1).reshape(6, 6, 6, 1)
        assert np.median(np.abs((theirs.direction * true).sum(axis=-1))[inside]) > 0.995


def small_series(folder):
    """An ellipsoid with tensors that turn from place to place, 6 mm, 12 directions."""
    rng = np.random.default_rng(2)
    shape, affine = (26, 30, 24), np.diag([-6.0, 6.0, 6.0, 1.0])
    affine[:3, 3] = [78, -90, -70]
    places = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    centred = (places - (np.array(shape) - 1) / 2) * 6
    brain = np.linalg.norm(centred / [62, 78, 58], axis=-1) < 1
    axes = gaussian_filter(rng.normal(size=(*shape, 3)), (2, 2, 2, 0))[brain]
    bvals, directions = table(12, 2)
    tensors = np.stack([tensor(axis, 0.6, 0.8e-3) for axis in axes])
    series = np.full((*shape, len(bvals)), 5.0)
    bright = 500 + 200 * gaussian_filter(rng.normal(size=shape), 2)[brain, None] / 0.05
    series[brain] = signal(tensors, bvals, directions, 1.0) * bright.clip(200, 900)
    series = rician(series, 8.0, 3).astype(np.float32)
    path = folder / "sub-01_dwi.nii.gz"
    nib.save(nib.Nifti1Image(series, affine), path)
    gradients = {name: folder / f"sub-01_dwi.{name}" for name in ("bval", "bvec")}
    write_gradients(Gradients(bvals, directions), affine, gradients["bval"], gradients["bvec"])
    return Scan(path, {"sub": "01"}, "dwi", [], gradients)


@pytest.mark.slow
@needs_mrtrix3
def test_a_person_gets_the_files_of_the_built_in_engine(tmp_path):
    scan = small_series(tmp_path)
    settings = DwiPreprocessSettings()
    theirs = preprocess(scan, tmp_path / "theirs", anat=None, settings=settings)
    ours = preprocess_builtin(scan, tmp_path / "ours", anat=None, settings=settings)
    names = [
        sorted(path.name for path in folder.rglob("*") if path.is_file())
        for folder in (tmp_path / "theirs", tmp_path / "ours")
    ]
    assert names[0] == names[1]
    told, known = (json.loads(files.sidecar.read_text()) for files in (theirs, ours))
    assert told["Denoising"] == "dwidenoise" and told["DenoisingStepVoxels"] is None
    assert [maker["Name"] for maker in told["GeneratedBy"]] == ["MRtrix3", "Nipype"]
    assert told["GeneratedBy"][0]["Version"] == version()
    assert "Commissure" in told["RealignedBy"]
    assert known["Denoising"] == "mppca" and "GeneratedBy" not in known
    assert told["Realigned"] and told["NoiseStandardDeviation"] == pytest.approx(
        known["NoiseStandardDeviation"], rel=0.15
    )
    assert type(theirs) is DwiFiles
    series = [np.asanyarray(nib.load(files.series).dataobj) for files in (theirs, ours)]
    mask = np.asanyarray(nib.load(ours.mask).dataobj) > 0
    assert np.corrcoef(series[0][mask].ravel(), series[1][mask].ravel())[0, 1] > 0.99
