"""What a run leaves is declared once."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest

from commissure.errors import DatasetError
from commissure.files import write_table
from commissure.fusion.run import permute
from commissure.fusion.settings import FusionSettings
from commissure.outputs import (
    IMPORTANCE,
    LABELS,
    OUTPUTS,
    PARTICIPANTS,
    PERMUTATIONS,
    PREDICTIONS,
    SPLITS,
)


def test_reading_and_writing_meet_in_the_declaration(tmp_path):
    table = LABELS.frame([("sub-01", "resistant", ""), ("sub-0922337203685477580700", "7", "why")])
    write_table(table.replace("", None), tmp_path / LABELS.path)
    assert LABELS.read(tmp_path).equals(table)


def test_a_table_without_rows_has_its_headings(tmp_path):
    write_table(PREDICTIONS.frame(), tmp_path / PREDICTIONS.path)
    written = (tmp_path / PREDICTIONS.path).read_text()
    assert written == "\t".join(PREDICTIONS.names) + "\n"
    assert PREDICTIONS.read(tmp_path).empty


def test_a_table_without_one_of_its_columns_is_refused(tmp_path):
    write_table(pd.DataFrame({"participant_id": ["sub-01"]}), tmp_path / LABELS.path)
    with pytest.raises(DatasetError, match=r"labels.tsv: the columns \['label', 'reason'\]"):
        LABELS.read(tmp_path)


def test_every_file_and_column_is_described():
    for path, output in OUTPUTS.items():
        assert path == output.path and len(output.description) >= 15
        assert not output.description.endswith(".")
        assert len(set(output.names)) == len(output.names)
        assert bool(output.columns) == path.endswith(".tsv")
        for column in output.columns:
            assert column.description.endswith("."), (path, column.name)
    assert PARTICIPANTS.more_columns


def test_the_declaration_is_light():
    heavy = "import commissure.outputs, sys; print(sorted({'pandas', 'numpy'} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


@pytest.mark.parametrize("output", [LABELS, SPLITS, PREDICTIONS, IMPORTANCE])
def test_models_write_exactly_the_declared_columns(stored_study, output):
    written = output.read(stored_study.folder)
    assert list(written) == output.names
    assert len(written)


def test_a_study_without_models_writes_the_headings(make_study):
    study = make_study(n=9)
    assert study.run()["status"] == "not_fitted"
    for output in (SPLITS, PREDICTIONS, IMPORTANCE):
        written = output.read(study.folder)
        assert list(written) == output.names and written.empty


def test_a_part_of_the_permutations_has_the_declared_columns(make_study):
    study = make_study()
    few = FusionSettings(models=["modalities"], repeats=1, permutations=2, permutation_repeats=1)
    permute(settings=few, part=0, parts=1, out=study.folder / "part-0.tsv", **study.tables())
    header = (study.folder / "part-0.tsv").read_text().split("\n")[0]
    assert header.split("\t") == PERMUTATIONS.names
