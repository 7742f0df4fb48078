from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.images.figures import save_figure
from commissure.mrs.derivatives import Curves
from commissure.mrs.figures import fit_figure, shots_figure, voxel_figure

from .conftest import DWELL_S, FREQUENCY_MHZ, noise


def curves() -> Curves:
    ppm = np.linspace(0.2, 4.2, 200)
    line = np.exp(-(((ppm - 2.0) / 0.05) ** 2))
    return Curves(ppm, line, 0.9 * line, 0 * line, {"Ins": line, "macromolecules": 0.1 * line})


def test_a_fit_is_drawn_twice_alike_and_inositol_is_mi(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        figure = fit_figure(curves(), title="sub-01", caption="")
        save_figure(figure, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    labels = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert labels == ["mI", "macromol."]


def test_ppm_runs_from_right_to_left() -> None:
    left, right = fit_figure(curves(), title="", caption="").axes[0].get_xlim()
    assert left > right


def test_rejected_shots_are_marked(clean_fid: np.ndarray) -> None:
    shots = np.tile(clean_fid, (10, 1)) + noise((10, len(clean_fid)), 1.0, 1)
    kept = np.ones(10, bool)
    kept[[2, 7]] = False
    figure = shots_figure(
        shots, shots, kept, dwell_s=DWELL_S, frequency_mhz=FREQUENCY_MHZ, title="sub-01"
    )
    marks = figure.axes[2].lines[0]
    assert list(marks.get_ydata()) == [2, 7]
    assert figure.axes[0].get_title() == "before: average of 8 of 10 shots"


def test_nothing_outside_the_mask_is_shown() -> None:
    t1w = nib.Nifti1Image(np.full((20, 20, 20), 7.0), np.eye(4))
    mask, share = np.zeros((20, 20, 20)), np.zeros((20, 20, 20))
    mask[5:15, 5:15, 5:15] = 1
    share[8:12, 8:12, 8:12] = 1
    figure = voxel_figure(t1w, mask, share, title="sub-01", caption="")
    for axes in figure.axes:
        picture = axes.images[0].get_array()
        assert set(np.unique(picture)) == {0.0, 7.0}
        assert (picture == 7.0).sum() == 100
