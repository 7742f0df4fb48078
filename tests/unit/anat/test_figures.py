"""What figures show of a person."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

import commissure.anat.figures as figures
from commissure.images.load import load_image

pytestmark = pytest.mark.real


def test_the_figure_shows_the_border_of_a_real_brain_and_neither_scalp_nor_face(
    shared_data, monkeypatch
) -> None:
    image = load_image(shared_data / "bids/sub-pu01/anat/sub-pu01_T1w.nii.gz", who="pu01", ndim=3)
    reference = shared_data / "references/pu01_desc-deepbet_mask.nii.gz"
    mask = np.asarray(nib.load(reference).dataobj) > 0
    around_mm = 2.0 * distance_transform_edt(~mask)
    drawn = []
    monkeypatch.setattr(figures, "draw_slices", lambda row, data, *args, **kw: drawn.append(data))
    figures.draw_segmentation(image, mask, mask.astype(float), {}, title="sub-pu01")
    shown = int((drawn[0] != 0).sum())
    tissue = np.asanyarray(image.dataobj) != 0
    assert shown <= (tissue & (around_mm <= 3)).sum()
    assert shown > 0.99 * (tissue & (around_mm <= 2)).sum() > 1.05 * mask.sum()
