"""An option of diffusion MRI belongs to the step that reads it."""

from __future__ import annotations

from commissure.dwi.settings import DwiMeasureSettings, DwiPreprocessSettings, DwiSettings


def test_the_section_holds_the_options_of_both_steps_and_no_other():
    preprocess, measure = (
        set(DwiPreprocessSettings.model_fields),
        set(DwiMeasureSettings.model_fields),
    )
    # Which engine runs, and whose derivatives it takes, is a choice of rules: no step reads it.
    assert set(DwiSettings.model_fields) == preprocess | measure | {"engine", "from"}
    assert preprocess & measure == {"b0_max_b_s_mm2"}
    assert {"tract_wm_min", "min_b0_snr"} <= measure
