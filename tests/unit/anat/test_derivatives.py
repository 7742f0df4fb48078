"""Reading what an engine wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from commissure.anat.derivatives import AnatMeasured, read_preprocessed
from commissure.errors import DatasetError, QualityError
from commissure.images.anat_files import AnatFiles
from commissure.images.load import save_image
from commissure.names import Scan

SCAN = Scan(Path("sub-01_T1w.nii.gz"), {"sub": "01"}, "T1w")


def _written(folder: Path, ball) -> AnatFiles:
    files = AnatFiles.of(SCAN, folder)
    brain = ball((30, 30, 30), (15, 15, 15), 8)
    rng = np.random.default_rng(0)
    for path in (files.preproc, *files.tissues):
        save_image(rng.uniform(0, 1, brain.shape), np.eye(4), path)
    save_image(brain > 0.5, np.eye(4), files.mask)
    return files


def test_the_image_is_cropped_to_the_brain_and_tissues_to_the_mask(tmp_path, ball) -> None:
    files = _written(tmp_path, ball)
    head = read_preprocessed(SCAN, tmp_path)
    assert head.files == files
    assert head.t1w.shape == head.mask.shape == head.posterior.shape[1:]
    assert head.t1w.shape[0] < 25
    assert not head.posterior[:, ~head.mask].any()


def test_another_grid_and_an_absent_file_are_refused(tmp_path, ball) -> None:
    files = _written(tmp_path, ball)
    save_image(np.random.default_rng(1).uniform(0, 1, (30, 30, 30)), 2 * np.eye(4), files.wm)
    with pytest.raises(QualityError, match="label-WM_probseg.* at another place"):
        read_preprocessed(SCAN, tmp_path)
    files.mask.unlink()
    with pytest.raises(DatasetError, match="desc-brain_mask.nii.gz is not there"):
        read_preprocessed(SCAN, tmp_path)


def test_figures_lie_in_a_folder_of_their_own() -> None:
    files = AnatMeasured.of(SCAN, Path("anat"))
    assert files.markers.name == "sub-01_markers.tsv"
    assert files.tissues_figure == Path("anat/figures/sub-01_desc-tissues_T1w.svg")
    assert files.registration_figure.parent == files.tissues_figure.parent
