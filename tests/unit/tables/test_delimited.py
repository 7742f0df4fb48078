"""Tables are read strictly: the place is named, and what was written comes back as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commissure.errors import DatasetError
from commissure.files import read_table, write_table
from commissure.tables.delimited import MISSING, plain_cell, read_cells, safe_cell

QUICK = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
SIGNS = st.text("=+-@'\t\r\n\" ,;a1.", max_size=8)


def table(folder: Path, content: str | bytes, name: str = "t.tsv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", r"cannot be read as a table \(it is empty\)"),
        ("\n\n", r"it is empty"),
        ("a\tb\n1\t2\t3\n", r"t.tsv, line 2: it has 3 cells, the header 2; as many"),
        ("a\tb\n1\t2\t\n", r"line 2: it has 3 cells.*a separator stands at the end of the line"),
        ("a\tb\n1\t2\n3\n", r"line 3: it has 1 cells"),
        ("a\tb\ta\n1\t2\t3\n", r"two columns are called 'a'"),
        ("a\t a \n1\t2\n", r"two columns are called 'a'"),
        ("a\t\n1\t2\n", r"column 2 has no name"),
        ("a;b\n1,5;2\n", r"its cells are separated by semicolons; tabs in a .tsv is expected"),
        ("a,b\n1,2\n", r"its cells are separated by commas"),
        ("a\tb\n\"1\t2\n", r"line 2: unexpected end of data"),
        ("a\n1\0\n", r"line 2 has a byte of value 0"),
        ("a\nü\n".encode("latin-1"), r"line 2 is no UTF-8 \(byte 0xfc, as in Latin-1"),
        ("a\n1\n".encode("utf-16"), r"it is UTF-16 text"),
        (b"PK\x03\x04rest", r"it is an Excel workbook"),
        (b"\xd0\xcf\x11\xe0rest", r"it is an old Excel workbook"),
        (b"\x1f\x8brest", r"it is a gzip archive"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_with_its_place(tmp_path, content, words):
    path = table(tmp_path, content)
    with pytest.raises(DatasetError, match=words):
        read_table(path)
    with pytest.raises(DatasetError, match=words):
        read_cells(path)


def test_a_folder_a_missing_file_and_a_pipe_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.tsv")
    for path in (tmp_path, tmp_path / "none.tsv", tmp_path / "pipe.tsv"):
        with pytest.raises(DatasetError, match="cannot be read as a table"):
            read_table(path)


@pytest.mark.parametrize(
    "content",
    [
        "\ufeffa\tb\nx\t1\ny\tn/a\n",
        "a\tb\r\nx\t1\r\ny\tn/a\r\n",
        "a\tb\rx\t1\ry\tn/a\r",
        " a\tb \nx\t1\ny\tn/a",
        "\ta\tb\n1\tx\t1\n2\ty\tn/a\n",
        "\na\tb\t\nx\t1\t\n\t\t\ny\tn/a\t\n\n",
    ],
)
def test_what_means_the_same_is_read_alike(tmp_path, content):
    path = table(tmp_path, content)
    expected = pd.DataFrame({"a": ["x", "y"], "b": [1.0, None]})
    pd.testing.assert_frame_equal(expected, read_table(path))
    cells = read_cells(path)
    assert list(cells.header) == ["a", "b"]
    assert cells.column("b") == ["1", ""]


@pytest.mark.parametrize("text", ["=1+1", "+49 170", "-cmd|' /C calc'!A0", "@SUM(A1)", " =1"])
def test_a_cell_that_a_spreadsheet_would_run_is_text_in_the_file(tmp_path, text):
    write_table(pd.DataFrame({text: [text, "b"], "n": [-1.5, 2]}), tmp_path / "t.tsv")
    heading, row, _ = (tmp_path / "t.tsv").read_text().splitlines()
    assert f"'{text}\tn" == heading
    assert f"'{text}\t-1.5" == row
    assert text == read_table(tmp_path / "t.tsv")[text.strip()][0]


def test_numbers_in_words_keep_their_sign(tmp_path):
    write_table(pd.DataFrame({"a": ["-1.5", "+2e-3", "-"]}), tmp_path / "t.tsv")
    assert (tmp_path / "t.tsv").read_text().splitlines() == ["a", "-1.5", "+2e-3", "'-"]


@given(CELL | SIGNS)
@QUICK
def test_no_cell_starts_a_formula_and_each_comes_back(text):
    assert text == plain_cell(safe_cell(text))
    written = safe_cell(text).strip("' \t\r\n")
    if safe_cell(text) == text and written[:1] in tuple("=+-@"):
        float(text)


@given(st.lists(st.tuples(CELL | SIGNS, CELL | SIGNS), min_size=1, max_size=5))
@QUICK
def test_text_comes_back_as_it_was_written(tmp_path, rows):
    written = pd.DataFrame(rows, columns=["a", "b"]).assign(participant_id="sub-01")
    write_table(written, tmp_path / "t.tsv")
    read = read_table(tmp_path / "t.tsv", text=list(written))
    expected = [[None if cell in MISSING else cell for cell in row] for row in rows]
    assert (
        expected
        == read[["a", "b"]].astype(object).where(read[["a", "b"]].notna(), None).to_numpy().tolist()
    )


@given(st.lists(st.lists(st.text("ab1.,\t\"'\n", max_size=4), max_size=5), max_size=5))
@QUICK
def test_no_text_is_read_with_a_shifted_cell(tmp_path, lines):
    path = table(tmp_path, "\n".join("\t".join(line) for line in lines))
    try:
        read = read_table(path, text=list("ab"))
    except DatasetError:
        return
    cells = read_cells(path)
    assert list(cells.header) == list(read)
    assert len(cells.rows) == len(read)
    assert all(len(row.cells) == len(cells.header) for row in cells.rows)
