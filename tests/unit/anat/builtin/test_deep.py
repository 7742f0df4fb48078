"""deepbet: which extraction is taken, what the sidecar says, and the real network on a real head."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from commissure.anat.builtin.brain import extract_brain
from commissure.anat.builtin.deep import deepbet_mask, extraction_record
from commissure.anat.builtin.preprocess import preprocess
from commissure.anat.settings import AnatPreprocessSettings, chosen_extraction
from commissure.errors import ConfigError, DatasetError
from commissure.flow.settings import read_settings

#: A network that takes all within 60 mm of the image's middle, as deepbet gives it.
NETWORK = """
import nibabel as nib
import numpy as np

class BrainExtraction:
    no_gpu = None

    def __init__(self, no_gpu=False):
        BrainExtraction.no_gpu = no_gpu

    def run(self, image):
        data = np.asanyarray(image.dataobj)
        assert data.max() > 0, "Not enough foreground to calculate bounding box"
        place = nib.affines.apply_affine(image.affine, np.moveaxis(np.indices(data.shape), 0, -1))
        middle = nib.affines.apply_affine(image.affine, (np.array(data.shape) - 1) / 2)
        mask = np.linalg.norm(place - middle, axis=-1) < 60
        return None, nib.Nifti1Image(mask.astype(np.uint8), image.affine), 0.0
"""
TORCH = """
class Tensor: ...
threads = deterministic = None
def set_num_threads(count):
    global threads
    threads = count
def use_deterministic_algorithms(wanted):
    global deterministic
    deterministic = wanted
class cuda:
    @staticmethod
    def is_available():
        import os
        return os.environ.get("CUDA_VISIBLE_DEVICES", "") != ""
"""


@pytest.fixture
def absent(monkeypatch):
    """No deepbet, whether it is installed here or not."""
    for module in ("commissure.anat.settings", "commissure.flow.settings"):
        monkeypatch.setattr(
            f"{module}.find_spec", lambda name: None if name == "deepbet" else find_spec(name)
        )


@pytest.fixture
def installed(tmp_path: Path, monkeypatch):
    """A stand-in for deepbet and torch, found and imported as packages are."""
    for name, version, code in (("deepbet", "1.0.2", NETWORK), ("torch", "2.13.0+cpu", TORCH)):
        (tmp_path / "site" / name).mkdir(parents=True)
        (tmp_path / "site" / name / "__init__.py").write_text(code)
        about = tmp_path / "site" / f"{name}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    for name in [m for m in sys.modules if m.split(".")[0] in ("deepbet", "torch")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield
    for name in ("deepbet", "torch"):
        sys.modules.pop(name, None)


def test_asked_for_and_not_installed_is_refused_at_planning(absent) -> None:
    with pytest.raises(ConfigError, match='make env EXTRAS="deep"'):
        read_settings({"anat": {"brain_extraction": "deepbet"}})


def test_where_no_step_would_use_it_nothing_is_refused(absent) -> None:
    read_settings({"anat": {"brain_extraction": "deepbet"}, "modalities": ["mrs"]})


def test_auto_falls_back_to_the_builtin_search(absent) -> None:
    assert read_settings({}).anat.brain_extraction == "builtin"
    assert chosen_extraction("auto") == "builtin"


def test_auto_takes_what_is_installed_and_planning_does_not_import_it(installed) -> None:
    assert read_settings({}).anat.brain_extraction == "deepbet"
    wanted = {"anat": {"brain_extraction": "builtin"}}
    assert read_settings(wanted).anat.brain_extraction == "builtin"
    assert not {"deepbet", "torch"} & set(sys.modules)


def test_the_versions_that_decide_are_named(installed) -> None:
    assert extraction_record("deepbet", stripped=False) == {
        "Name": "deepbet",
        "Version": "1.0.2",
        "TorchVersion": "2.13.0+cpu",
        "Device": "cpu",
    }
    assert extraction_record("builtin", stripped=False) == {"Name": "builtin"}
    assert extraction_record("deepbet", stripped=True) == {"Name": "foreground"}


def test_it_runs_with_one_thread_and_without_chance(installed) -> None:
    image = nib.Nifti1Image(np.ones((40, 44, 48), np.float32), np.diag([-4.0, 4, 4, 1]))
    mask = deepbet_mask(image)
    assert mask.dtype == bool
    assert mask.sum() * 4.0**3 == pytest.approx(4 / 3 * np.pi * 60**3, rel=0.02)
    torch = sys.modules["torch"]
    assert (torch.threads, torch.deterministic) == (1, True)
    assert sys.modules["deepbet"].BrainExtraction.no_gpu is True


def test_a_job_that_has_a_graphics_processor_uses_it_and_says_so(installed, monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    deepbet_mask(nib.Nifti1Image(np.ones((40, 44, 48), np.float32), np.diag([-4.0, 4, 4, 1])))
    assert sys.modules["deepbet"].BrainExtraction.no_gpu is False
    assert extraction_record("deepbet", stripped=False)["Device"] == "cuda"


def test_an_image_in_which_it_sees_nothing_is_refused_in_words(installed) -> None:
    empty = nib.Nifti1Image(np.zeros((20, 20, 20), np.float32), np.eye(4))
    with pytest.raises(DatasetError, match="deepbet sees no brain in it"):
        deepbet_mask(empty)


@pytest.mark.slow
@pytest.mark.real
def test_its_mask_is_the_one_that_is_segmented_and_named(
    installed, shared_data: Path, tmp_path: Path, as_scan
) -> None:
    head = nib.load(_oasis(shared_data, "T1w"))
    scan = as_scan(head.get_fdata(dtype=np.float32), head.affine)
    preprocess(
        scan,
        tmp_path / "anat",
        settings=AnatPreprocessSettings(registration_resolution_mm=4.0),
    )
    path = next((tmp_path / "anat").glob("*desc-brain_mask.nii.gz"))
    mask = np.asanyarray(nib.load(path).dataobj) > 0
    expected = deepbet_mask(head)
    assert 2 * (mask & expected).sum() / (mask.sum() + expected.sum()) > 0.99
    sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
    assert sidecar["BrainExtraction"]["Version"] == "1.0.2"
    assert sidecar["BrainExtraction"]["TorchVersion"] == "2.13.0+cpu"


@pytest.mark.slow
@pytest.mark.real
def test_the_real_network_finds_the_brain_of_a_real_head(shared_data: Path) -> None:
    pytest.importorskip("deepbet", reason="the extra 'deep' is not installed")
    image = nib.load(_oasis(shared_data, "T1w"))
    labels = np.asanyarray(nib.load(_oasis(shared_data, "desc-aparcDKTaseg_dseg")).dataobj)
    mask = extract_brain(image, stripped=False, by="deepbet").mask(image)
    again = extract_brain(image, stripped=False, by="deepbet").mask(image)
    assert np.array_equal(mask, again)
    zooms = image.header.get_zooms()
    assert distance_transform_edt(~mask, sampling=zooms)[labels > 0].max() < 6
    assert (mask & (labels > 0)).sum() > 0.998 * (labels > 0).sum()
    # FastSurfer's labels end at the pia: fluid over the cortex counts, skin and skull do not.
    away = distance_transform_edt(labels == 0, sampling=zooms)
    assert (mask & (away > 8)).sum() < 0.01 * mask.sum()


def _oasis(data: Path, suffix: str) -> Path:
    return data / "t1w-segmentations/oasis-fastsurfer-2mm" / f"sub-oas0001_{suffix}.nii.gz"
