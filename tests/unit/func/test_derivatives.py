"""What is declared, and what is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from commissure.errors import DatasetError
from commissure.files import write_table
from commissure.func.derivatives import FuncFiles, FuncMeasured, read_preprocessed
from commissure.images.load import save_image
from commissure.images.template import SPACES, TEMPLATE
from commissure.names import Scan

SCAN = Scan(Path("sub-01_task-rest_bold.nii.gz"), {"sub": "01", "task": "rest"}, "bold")


def written(folder: Path, *, space: str, rows: int = 5, columns: tuple[str, ...] = ()) -> FuncFiles:
    files = FuncFiles.of(SCAN, folder, space=space)
    data = np.random.default_rng(0).uniform(1, 2, (4, 4, 3, 5))
    save_image(data, np.eye(4), files.series, tr_s=2.0)
    save_image(data[..., 0] > 1.5, np.eye(4), files.mask)
    save_image(data[..., 0], np.eye(4), files.boldref)
    names = columns or ("framewise_displacement",)
    write_table(pd.DataFrame(np.zeros((rows, len(names))), columns=list(names)), files.confounds)
    return files


def test_names_follow_the_contract():
    files = FuncFiles.of(SCAN, Path("func"))
    stem = f"sub-01_task-rest_space-{TEMPLATE}"
    assert files.series.name == f"{stem}_desc-preproc_bold.nii.gz"
    assert files.sidecar.name == f"{stem}_desc-preproc_bold.json"
    assert files.mask.name == f"{stem}_desc-brain_mask.nii.gz"
    assert files.boldref.name == f"{stem}_boldref.nii.gz"
    assert files.confounds.name == "sub-01_task-rest_desc-confounds_timeseries.tsv"
    assert files.confounds_sidecar.name == "sub-01_task-rest_desc-confounds_timeseries.json"
    measured = FuncMeasured.of(SCAN, Path("func"))
    assert measured.markers.name == "sub-01_task-rest_markers.tsv"
    assert measured.connectivity_figure.parent.name == "figures"


@pytest.mark.parametrize("space", SPACES)
def test_a_run_in_any_template_space_is_read_without_sidecars(tmp_path, space):
    files = written(tmp_path, space=space)
    assert files.complete()
    run = read_preprocessed(SCAN, tmp_path)
    assert run.space == space
    assert run.metadata == {}
    assert run.series.shape == (4, 4, 3, 5)


def test_an_absent_run_is_told_with_the_name_that_is_wanted(tmp_path):
    with pytest.raises(DatasetError, match=f"space-{TEMPLATE}_desc-preproc_bold"):
        read_preprocessed(SCAN, tmp_path)


def test_confounds_that_do_not_fit_are_refused(tmp_path):
    written(tmp_path, space=TEMPLATE, rows=4)
    with pytest.raises(DatasetError, match="4 rows for 5 volumes"):
        read_preprocessed(SCAN, tmp_path)
    written(tmp_path, space=TEMPLATE, columns=("csf",))
    with pytest.raises(DatasetError, match="no column framewise_displacement"):
        read_preprocessed(SCAN, tmp_path)


def test_a_mask_on_another_grid_is_refused(tmp_path):
    files = written(tmp_path, space=TEMPLATE)
    save_image(np.eye(4)[..., None].repeat(3, 2) > 0, 2 * np.eye(4), files.mask)
    with pytest.raises(DatasetError, match="do not lie on one grid"):
        read_preprocessed(SCAN, tmp_path)


def test_a_json_that_is_none_is_refused(tmp_path):
    files = written(tmp_path, space=TEMPLATE)
    files.confounds_sidecar.write_text("{")
    with pytest.raises(DatasetError, match="is not JSON"):
        read_preprocessed(SCAN, tmp_path)
