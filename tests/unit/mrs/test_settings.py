from typing import get_args

import pytest
from pydantic import ValidationError

from commissure.mrs.quantification.relaxation import RELAXATION_SETS
from commissure.mrs.settings import (
    MrsMeasureSettings,
    MrsPreprocessSettings,
    MrsSettings,
    RelaxationSetName,
)


def test_every_relaxation_set_can_be_chosen() -> None:
    assert set(get_args(RelaxationSetName)) == set(RELAXATION_SETS)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("metabolites", ("Cr", "NAA", "GPC", "Gaba"), "Gaba"),
        ("metabolites", ("Cr", "NAA", "Glu"), "GPC"),
        ("baseline_flexibility_per_ppm", 20.0, "0.75 to 7"),
        ("relaxation", "gannet", "fsl_mrs_3t"),
        ("voi", "left ACC", "pattern"),
        ("referense", "water", "Extra inputs"),
    ],
)
def test_settings_that_cannot_be(key: str, value: object, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        MrsSettings(**{key: value})


def test_only_the_name_of_the_voxel_belongs_to_both_steps() -> None:
    preprocess, measure = (set(c.model_fields) for c in (MrsPreprocessSettings, MrsMeasureSettings))
    assert preprocess & measure == {"voi"}
    assert preprocess | measure | {"engine", "from"} == set(MrsSettings.model_fields)
