"""Which options there are, and which step reads them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from commissure.func.settings import FuncMeasureSettings, FuncPreprocessSettings, FuncSettings


@pytest.mark.parametrize(
    "wrong", [{"band_low_hz": 0.1}, {"fd_threshold": 0.5}, {"parcels": 200}, {"resolution_mm": 0}]
)
def test_settings_refuse_what_cannot_be(wrong):
    with pytest.raises(ValidationError):
        FuncSettings(**wrong)


def test_components_and_radius_alone_belong_to_both_steps():
    preprocess, measure = (
        set(FuncPreprocessSettings.model_fields),
        set(FuncMeasureSettings.model_fields),
    )
    assert preprocess & measure == {"compcor_components", "fd_radius_mm"}
    # Which engine runs is a choice of rules: no step reads it.
    assert preprocess | measure | {"engine", "from"} == set(FuncSettings.model_fields)
    assert len(measure - preprocess) == 23
