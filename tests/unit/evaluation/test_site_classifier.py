from dataclasses import replace

import numpy as np
import pytest

from commissure.evaluation.site_classifier import site_classifier


def test_the_site_is_told_before_combat_and_not_after(drawn_study) -> None:
    drawn = drawn_study(240, {"a": 0.0, "b": 0.0}, seed=9, columns=12)
    design, spec = drawn.study.design, drawn.spec
    south = design.sites == "S"
    design.values[south, :12] += 1.0  # block a carries the site, b does not
    marks = np.column_stack([~south, south]).astype(float)
    values = np.hstack([design.values, marks])
    blocks = tuple(replace(block, sites=(24, 25)) for block in spec.blocks)
    study = drawn.study.with_design(replace(design, values=values))
    harmonised = replace(spec, blocks=blocks)
    rows = {row["modality"]: row for row in site_classifier(study, harmonised, drawn.folds)}
    assert rows["a"]["before"] > 0.95
    assert rows["a"]["after"] == pytest.approx(0.5, abs=0.12)
    assert rows["b"]["before"] == pytest.approx(0.5, abs=0.12)
    assert site_classifier(study, spec, drawn.folds)[0]["after"] is None
