"""Radiomic features are those of the Image Biomarker Standardisation Initiative."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from commissure.errors import ConfigError, DatasetError
from commissure.lesion.radiomics import (
    CT,
    MRI,
    RadiomicsSettings,
    feature_changes,
    radiomic_features,
)

pytest.importorskip("zrad", reason="the extra 'lesion' is not installed")

IN_SLICES = ("2D averaged", "2D slice-merged", "2.5D merged", "2.5D direction-merged")
IN_SPACE = ("3D merged", "3D averaged")
#: The processing configurations of the initiative.
CONFIGURATIONS = {
    "digital_phantom": {"resolution_mm": None, "outlier_sd": None, "bins": 6, "rounded": True},
    "config_A": {
        "resolution_mm": None, "rounded": True, "intensity_range": (-500, 400), "outlier_sd": None, "bins": None,
        "bin_width": 25,
    },
    "config_B": {
        "resolution_mm": (2, 2, 3), "rounded": True, "intensity_range": (-500, 400), "outlier_sd": None, "bins": 32
    },
    "config_C": {
        "resolution_mm": 2, "rounded": True, "intensity_range": (-1000, 400), "outlier_sd": None, "bins": None,
        "bin_width": 25, "ivh_bin_width": 2.5,
    },
    "config_D": {"resolution_mm": 2, "rounded": True, "outlier_sd": 3, "bins": 32},
    "config_E": {
        "resolution_mm": 2, "interpolation": "bspline", "rounded": True, "intensity_range": (-1000, 400),
        "outlier_sd": 3, "bins": 32, "ivh_bins": 1000,
    },
}  # fmt: skip
TRIED = [
    *(("digital_phantom", aggregation) for aggregation in (*IN_SPACE, *IN_SLICES)),
    *((name, aggregation) for name in ("config_A", "config_B") for aggregation in IN_SLICES),
    *((f"config_{name}", aggregation) for name in "CDE" for aggregation in IN_SPACE),
]


def near(value: float, reference: float, tolerance: float) -> bool:
    """Within the tolerance of the consensus, whose values have three significant digits."""
    digit = 0.5 * 10 ** (np.floor(np.log10(abs(reference))) - 2) if reference else 0.0
    return abs(value - reference) <= max(tolerance, digit) * (1 + 1e-9)


@pytest.mark.real
@pytest.mark.parametrize(("name", "aggregation"), TRIED)
def test_the_values_of_the_initiative(shared_data, name, aggregation):
    folder = shared_data / "oncology/ibsi1"
    images = folder / ("digital_phantom" if name == "digital_phantom" else "ct_radiomics_phantom")
    image = nib.load(images / "image/phantom.nii.gz")
    mask = np.asanyarray(nib.load(images / "mask/mask.nii.gz").dataobj) > 0
    settings = RadiomicsSettings(aggregation=aggregation, **CONFIGURATIONS[name])
    found = radiomic_features(image, mask, settings)
    table = pd.read_csv(folder / f"reference_values/{name}.tsv", sep="\t")
    table = table.dropna(subset=["reference value", "tolerance"]).set_index("tag")
    shared = [tag for tag in found if tag in table.index]
    assert len(shared) > 140 and len(shared) == len(found)
    wrong = {
        tag: (found[tag], reference)
        for tag, reference, tolerance in zip(
            shared,
            table.loc[shared, "reference value"],
            table.loc[shared, "tolerance"],
            strict=True,
        )
        if not near(found[tag], reference, tolerance)
    }
    assert wrong == {}


@pytest.fixture(scope="module")
def tumour():
    """An ellipsoid with texture in a noisy image, voxels of 1 x 1 x 2 mm, oblique."""
    rng = np.random.default_rng(3)
    grid = np.indices((40, 36, 20)) * np.array([1, 1, 2]).reshape(3, 1, 1, 1)
    centre = np.array([20, 18, 20]).reshape(3, 1, 1, 1)
    mask = (((grid - centre) / np.array([9, 7, 10]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0) < 1
    data = 100 + 20 * rng.standard_normal(mask.shape) + 60 * mask
    turn = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn * [1, 1, 2]
    return nib.Nifti1Image(data, affine), mask


def test_millimetres_are_those_of_the_affine(tumour):
    image, mask = tumour
    settings = MRI.model_copy(update={"families": ("morphology",)})
    found = radiomic_features(image, mask, settings)
    true = 4 / 3 * np.pi * 9 * 7 * 10
    assert found["morph_volume"] == pytest.approx(true, rel=0.03)
    assert found["morph_diam"] == pytest.approx(20, abs=2)
    flipped = nib.Nifti1Image(image.get_fdata()[::-1], image.affine @ np.diag([-1, 1, 1, 1]))
    assert radiomic_features(flipped, mask[::-1], settings)["morph_diam"] == pytest.approx(
        found["morph_diam"], abs=1
    )


def test_what_cannot_be_measured_is_refused_in_words(tumour):
    image, mask = tumour
    with pytest.raises(DatasetError, match="its mask is empty"):
        radiomic_features(image, mask & False)
    with pytest.raises(DatasetError, match=r"its mask has \(39, 36, 20\) voxels"):
        radiomic_features(image, mask[1:])
    small = np.zeros_like(mask)
    small[18:20, 18:20, 9:10] = True
    with pytest.raises(DatasetError, match="voxels are left on the common grid"):
        radiomic_features(image, small)
    with pytest.raises(DatasetError, match="Hounsfield units"):
        radiomic_features(nib.Nifti1Image(np.abs(image.get_fdata()), image.affine), mask, CT)
    holes = image.get_fdata().copy()
    holes[mask.nonzero()[0][0], mask.nonzero()[1][0], mask.nonzero()[2][0]] = np.nan
    with pytest.raises(DatasetError, match="1 of its voxels hold no number"):
        radiomic_features(nib.Nifti1Image(holes, image.affine), mask)
    with pytest.raises(DatasetError, match="no voxel is left|are left"):
        radiomic_features(nib.Nifti1Image(image.get_fdata() - 5000, image.affine), mask, CT)


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError, match="one of bins and bin_width"):
        RadiomicsSettings(bins=32, bin_width=25, intensity_range=(-1000, 400))
    with pytest.raises(ValueError, match="need an intensity_range"):
        RadiomicsSettings(bins=None, bin_width=25)


def test_without_the_extra_one_sentence_says_what_to_do(tumour, monkeypatch):
    monkeypatch.setattr("commissure.lesion.radiomics.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match='make env EXTRAS="lesion"'):
        radiomic_features(*tumour)


def test_changes_are_relative_unless_there_is_nothing_to_relate_them_to():
    changes = feature_changes({"a": 2.0, "b": -4.0, "c": 0.0}, {"a": 3.0, "b": -2.0, "c": 0.5})
    assert changes == {"delta_a": 0.5, "delta_b": 0.5, "delta_c": 0.5}
    with pytest.raises(DatasetError, match="of one visit only, as b"):
        feature_changes({"a": 1.0}, {"a": 1.0, "b": 2.0})
