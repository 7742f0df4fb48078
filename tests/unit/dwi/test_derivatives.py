"""The files of diffusion MRI have their names in one place."""

from __future__ import annotations

from pathlib import Path

import pytest

from commissure.dwi.derivatives import DwiFiles, DwiMeasured, read_preprocessed
from commissure.errors import DatasetError
from commissure.names import Scan

SCAN = Scan(
    Path("sub-01_ses-2_acq-b1000_dwi.nii.gz"), {"sub": "01", "ses": "2", "acq": "b1000"}, "dwi"
)


def test_the_space_is_named_only_where_there_is_a_t1w(tmp_path):
    beside = DwiFiles.of(SCAN, tmp_path)
    alone = DwiFiles.of(SCAN, tmp_path, space="")
    stem = "sub-01_ses-2_acq-b1000"
    assert beside.series.name == f"{stem}_space-T1w_desc-preproc_dwi.nii.gz"
    assert alone.series.name == f"{stem}_desc-preproc_dwi.nii.gz"
    assert beside.mask.name == f"{stem}_space-T1w_desc-brain_mask.nii.gz"
    assert beside.confounds == alone.confounds == tmp_path / f"{stem}_desc-confounds_timeseries.tsv"


def test_series_table_and_mask_are_what_an_engine_must_write(tmp_path):
    files = DwiFiles.of(SCAN, tmp_path)
    assert files.absent() == [files.series, files.bval, files.bvec, files.mask]


def test_measuring_must_write_markers_and_quality(tmp_path):
    files = DwiMeasured.of(SCAN, tmp_path)
    assert files.absent() == [files.markers, files.quality]
    assert files.tensor_figure.parent == tmp_path / "figures"


def test_a_series_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DatasetError, match="space-T1w_desc-preproc_dwi.nii.gz is not there"):
        read_preprocessed(SCAN, tmp_path, in_t1w=True, b0_max_b_s_mm2=50)
