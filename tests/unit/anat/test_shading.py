"""Shading: what was divided out, and what is left."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from commissure.anat.quality import WM_SHADING_MAX
from commissure.anat.shading import inu_range, white_shading
from commissure.images.template import template


@pytest.fixture(scope="module")
def brain() -> tuple[nib.Nifti1Image, np.ndarray, np.ndarray]:
    """The template's T1w, mask and white matter, 2 mm."""
    image = template("T1w", resolution_mm=2.0)
    mask, white = (np.asarray(template(n, resolution_mm=2.0).dataobj) for n in ("mask", "WM"))
    return nib.Nifti1Image(np.asarray(image.dataobj, np.float32), image.affine), mask > 0, white


def shaded(image: nib.Nifti1Image, contrast: float) -> nib.Nifti1Image:
    """The image, brighter behind than in front by a contrast."""
    data = np.asarray(image.dataobj)
    along = np.linspace(1 - contrast / 2, 1 + contrast / 2, data.shape[1])[:, None]
    return nib.Nifti1Image((data * along).astype(np.float32), image.affine)


def test_what_was_divided_out(brain) -> None:
    image, mask, _ = brain
    assert inu_range(image, image, mask) == pytest.approx(0, abs=1e-6)
    assert inu_range(shaded(image, 0.5), image, mask) == pytest.approx(0.3, abs=0.08)


def test_what_is_left_is_seen_in_white_matter(brain) -> None:
    image, _, white = brain
    assert white_shading(image, white) < 0.6 * WM_SHADING_MAX
    assert white_shading(shaded(image, 0.5), white) > WM_SHADING_MAX


def test_noise_is_no_shading(brain) -> None:
    image, _, white = brain
    data = np.asarray(image.dataobj)
    spread = 0.1 * np.median(data[white > 0.9])
    noisy = data + np.random.default_rng(1).normal(0, spread, data.shape)
    assert (
        white_shading(nib.Nifti1Image(noisy.astype(np.float32), image.affine), white)
        < 0.6 * WM_SHADING_MAX
    )


def test_without_white_matter_there_is_no_number(brain) -> None:
    image, _, white = brain
    assert np.isnan(white_shading(image, np.zeros_like(white)))
