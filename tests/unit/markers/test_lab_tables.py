"""A lab's tables become marker rows, or are refused in words."""

from __future__ import annotations

import pytest

from commissure.errors import ConfigError, DatasetError
from commissure.markers.lab_tables import lab_table
from commissure.markers.settings import TableSettings
from commissure.markers.table import definition_record, marker_table
from commissure.rows import Marker, write_markers


def test_a_wide_table_becomes_rows(tmp_path):
    path = tmp_path / "aseg.csv"
    path.write_text(
        "Measure:volume,vol_Left-Hippocampus,vol_Right-Hippocampus,eTIV\n01,4000,4100,1.5e6\n02,,3900,1.4e6\n"
    )
    settings = TableSettings(
        file=str(path), participant="Measure:volume", columns=["vol_*"], prefix="vol_",
        modality="anat", marker="fs_volume", unit="mm3",
    )  # fmt: skip
    table = marker_table([], [settings])
    assert table["region"].unique().tolist() == ["Left-Hippocampus", "Right-Hippocampus"]
    assert table["value"].tolist() == [4000, 4100, 3900]
    assert table["participant_id"].tolist() == ["sub-01", "sub-01", "sub-02"]


def test_a_tidy_table_is_taken_as_it_is(tmp_path):
    write_markers([Marker("01", "", "mrs", "ACC", "lc_glu", 9.5, "mM")], tmp_path / "t.tsv")
    table = marker_table([], [TableSettings(file=str(tmp_path / "t.tsv"), layout="tidy")])
    assert table["participant_id"].tolist() == ["sub-01"]
    assert definition_record({}, table)["lc_glu"]["unit"] == "mM"


def test_tables_that_do_not_fit_are_refused_in_words(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("id\ta\n01\t1\n01\t2\n")
    with pytest.raises(ConfigError, match=r"tables \(t.tsv\).participant: the file has no column"):
        lab_table(TableSettings(file=str(path)))
    with pytest.raises(ConfigError, match="no numeric column matches"):
        lab_table(TableSettings(file=str(path), participant="id", columns=["b*"]))
    with pytest.raises(DatasetError, match="sub-01 has several rows"):
        lab_table(TableSettings(file=str(path), participant="id"))
