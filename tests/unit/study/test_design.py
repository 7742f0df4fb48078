import numpy as np
import pandas as pd
import pytest

from commissure.errors import ConfigError
from commissure.fusion.settings import FusionSettings
from commissure.rows import COLUMNS
from commissure.study.design import build_design


def markers(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(
        [(who, session, modality, region, marker, value, "1", "ok")
         for who, session, modality, region, marker, value in rows],
        columns=list(COLUMNS),
    )  # fmt: skip


PEOPLE = pd.DataFrame(
    {"participant_id": ["b", "a"], "site": ["S", "N"], "age": [30.0, 40.0], "sex": ["F", "M"],
     "age_at_onset": [20.0, 25.0]}
)  # fmt: skip


def test_a_missing_modality_is_a_gap_and_never_zero() -> None:
    table = markers(("a", "", "anat", "r", "volume", 5.0), ("b", "", "mrs", "ACC", "glu", 9.0),
                    ("a", "", "anat", "head", "tiv", 1.0))  # fmt: skip
    design = build_design(table, {"tiv": {"role": "confound"}}, PEOPLE, settings=FusionSettings())
    assert design.participants.tolist() == ["a", "b"]
    assert design.modalities == ("anat", "mrs")
    glu = design.values[:, design.blocks["mrs"].columns[0]]
    assert np.isnan(glu[0]) and glu[1] == 9.0
    assert [design.columns[i].marker for i in design.blocks["confounds"].columns] == [
        "tiv", "age", "sex=M"
    ]  # fmt: skip
    assert design.values[:, design.blocks["missingness"].columns].tolist() == [[1, 0], [0, 1]]
    assert design.columns[design.blocks["anat"].head_size].marker == "tiv"


def test_several_runs_are_averaged_and_told() -> None:
    table = markers(("a", "", "func", "r", "fc", 1.0), ("a", "", "func", "r", "fc", 3.0))
    design = build_design(table, {}, PEOPLE, settings=FusionSettings())
    assert design.values[0, design.blocks["func"].columns[0]] == 2.0
    assert any("more than once" in caution for caution in design.cautions)


def test_a_column_that_was_named_and_is_not_there_is_refused() -> None:
    table = markers(("a", "", "func", "r", "fc", 1.0))
    with pytest.raises(ConfigError, match="no column 'onset'"):
        build_design(table, {}, PEOPLE, settings=FusionSettings(clinical=["onset"]))
    # The default is dropped with a caution instead: a study need not have it.
    design = build_design(table, {}, PEOPLE.drop(columns="age_at_onset"), settings=FusionSettings())
    assert "clinical" not in design.blocks
    assert any("age_at_onset" in caution for caution in design.cautions)


def test_families_are_a_column_that_every_block_knows() -> None:
    people = pd.DataFrame(
        {"participant_id": list("abcd"), "site": "S", "family": ["f", None, "f", None]}
    )
    table = markers(*[(who, "", "anat", "r", "volume", float(ord(who))) for who in "abcd"])
    design = build_design(table, {}, people, settings=FusionSettings())
    families = design.families
    assert families is not None
    assert families[0] == families[2]
    assert len(set(families)) == 3
    assert {block.family for block in design.blocks.values()} == {len(design.columns) - 1}
    nobody = build_design(table, {}, people.drop(columns="family"), settings=FusionSettings())
    assert nobody.families is None
