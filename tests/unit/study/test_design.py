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


def test_volumes_of_a_table_are_freed_of_its_head_size() -> None:
    table = markers(*[(who, "", "anat", region, marker, value)
                      for who in "ab" for region, marker, value in (
                          ("lh", "fs_volume", float(ord(who))), ("head", "lab_head_size", 9.0 + ord(who)),
                          ("lh", "fs_thickness", 2.0 + ord(who)))])  # fmt: skip
    defined = {"fs_volume": {"adjust": "head_size", "given_by": "table"},
               "lab_head_size": {"role": "confound"}}  # fmt: skip
    block = build_design(table, defined, PEOPLE, settings=FusionSettings()).blocks["anat"]
    design = build_design(table, defined, PEOPLE, settings=FusionSettings())
    assert [design.columns[i].marker for i in block.columns] == ["fs_thickness", "fs_volume"]
    assert [design.columns[i].marker for i in block.adjusted] == ["fs_volume"]
    assert design.columns[block.head_size].marker == "lab_head_size"


def test_columns_of_a_table_that_follow_the_outcome_are_left_out_and_named() -> None:
    regions = ("PANSS_N_change", "clozapine_dose", "thalamus", "cgi_baseline")
    table = markers(*[(who, "", "table", region, "value", float(ord(who) + place))
                      for who in "ab" for place, region in enumerate(regions)])  # fmt: skip
    given = {"value": {"given_by": "table"}}
    design = build_design(table, given, PEOPLE, settings=FusionSettings())
    used = {design.columns[i].region for i in design.blocks["table"].columns}
    assert used == {"thalamus", "cgi_baseline"}
    told = " ".join(design.cautions)
    assert "2 columns of the lab's tables follow or define the outcome" in told
    assert "PANSS_N_change ('change'), clozapine_dose ('clozapine')" in told
    allowed = FusionSettings(allow_post_outcome=["clozapine_dose"])
    design = build_design(table, given, PEOPLE, settings=allowed)
    assert "clozapine_dose" in {design.columns[i].region for i in design.blocks["table"].columns}
    # What the program measured is named by the program.
    design = build_design(table, {}, PEOPLE, settings=FusionSettings())
    assert len(design.blocks["table"].columns) == 4


def test_values_far_from_all_others_are_named() -> None:
    people = pd.DataFrame({"participant_id": [f"p{i:02d}" for i in range(30)], "site": "S"})
    rng = np.random.default_rng(0)
    rows = [(who, "", "anat", region, "volume", float(value))
            for who in people["participant_id"] for region, value in zip("ab", rng.normal(size=2), strict=True)]  # fmt: skip
    rows[0] = (*rows[0][:5], -999.0)
    design = build_design(markers(*rows), {}, people, settings=FusionSettings())
    assert any("anat volume a in 1 people" in caution for caution in design.cautions)
    clean = build_design(markers(*rows[2:]), {}, people, settings=FusionSettings())
    assert not any("robust" in caution for caution in clean.cautions)


def test_confounds_that_are_taken_out_or_kept_are_named() -> None:
    table = markers(("a", "", "func", "r", "fc", 5.0), ("b", "", "func", "r", "fc", 6.0),
                    ("a", "", "func", "head", "mean_fd", 0.1))  # fmt: skip
    definitions = {"mean_fd": {"role": "confound"}}
    settings = FusionSettings(
        remove_confounds=["age", "motion"], combat="in_fold", combat_covariates=["sex"]
    )
    design = build_design(table, definitions, PEOPLE, settings=settings)
    named = [design.columns[i].marker for i in design.blocks["func"].removed]
    assert named == ["age", "mean_fd"]
    assert [design.columns[i].marker for i in design.blocks["func"].kept] == ["sex=M"]
    assert design.blocks["confounds"].removed == ()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"remove_confounds": ["iq"]}, "'iq' is no confound"),
        ({"combat": "in_fold", "combat_covariates": ["iq"]}, "'iq' is no confound"),
        ({"combat_covariates": ["age"]}, "fusion.combat is none"),
    ],
)
def test_confounds_that_are_not_there_are_refused(options, words) -> None:
    table = markers(("a", "", "func", "r", "fc", 5.0), ("b", "", "func", "r", "fc", 6.0))
    with pytest.raises(ConfigError, match=words):
        build_design(table, {}, PEOPLE, settings=FusionSettings(**options))


def test_averages_of_other_regions_are_in_the_matrix_and_in_no_model() -> None:
    table = markers(*((who, "", "dwi", region, "fa", 0.4 + 0.01 * len(region) + shift)
                      for who, shift in (("a", 0.0), ("b", 0.1))
                      for region in ("ACR_L", "ACR_R", "ACR")))  # fmt: skip
    definitions = {"fa": {"role": "marker", "summaries": ["ACR"]}}
    design = build_design(table, definitions, PEOPLE, settings=FusionSettings())
    assert [design.columns[i].region for i in design.blocks["dwi"].columns] == ["ACR_L", "ACR_R"]
    assert "ACR" in {column.region for column in design.columns}
