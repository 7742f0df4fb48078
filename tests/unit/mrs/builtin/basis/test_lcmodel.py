from pathlib import Path

import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.mrs.builtin.basis.lcmodel import read_lcmodel_basis, read_raw


def test_raw_files_of_lcmodel(tmp_path: Path) -> None:
    path = tmp_path / "a.RAW"
    path.write_text(" $NMID ID='a', FMTDAT='(8E13.5)'\n TRAMP=1, VOLUME=1 $END\n 1.5 2 -3 4.25\n")
    np.testing.assert_array_equal(read_raw(path, who="x"), [1.5 - 2j, -3 - 4.25j])
    path.write_text(" $NMID ID='a' $END\n 1.5 2 -3\n")
    with pytest.raises(DatasetError, match="3 readable numbers"):
        read_raw(path, who="x")


def test_a_file_without_sampling_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.BASIS"
    path.write_text(" $SEQPAR\n HZPPPM = 123.25\n $END\n $BASIS1\n NDATAB = 4\n $END\n")
    with pytest.raises(DatasetError, match="gives no usable BADELT"):
        read_lcmodel_basis(path, who="x")
