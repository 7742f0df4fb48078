import math

import numpy as np
import pytest

from commissure.evaluation.comparisons import comparisons, difference_to, nadeau_bengio_test
from commissure.evaluation.out_of_fold import out_of_fold
from commissure.models.registry import ModelSpec


def test_the_corrected_interval_is_wider_by_the_overlap_of_training_sets() -> None:
    # Nadeau and Bengio: 10 folds of 1 / 4; variance factor 1 / 10 + 1 / 4 instead of 1 / 10.
    gaps = np.linspace(-0.1, 0.3, 10)
    found = nadeau_bengio_test(gaps, 0.25)
    error = math.sqrt((0.1 + 0.25) * gaps.var(ddof=1))
    assert found["value"] == pytest.approx(0.1)
    assert found["ci_high"] - 0.1 == pytest.approx(2.2622 * error, rel=1e-4)
    assert math.isnan(nadeau_bengio_test(np.array([0.1]), 0.25)["p"])
    assert nadeau_bengio_test(np.zeros(5), 0.25)["p"] == 1.0


def test_a_model_is_compared_with_each_other_one_on_the_same_people(drawn_study) -> None:
    drawn = drawn_study(120, {"a": 0.0, "b": 2.0}, seed=2)
    specs = [drawn.spec, *(ModelSpec(b.name, "modality", "", (b.name,), (b,))
                           for b in drawn.spec.blocks)]  # fmt: skip
    scores, _ = out_of_fold(drawn.study, specs, drawn.folds, lambda line: None)
    rows = {row["model"]: row for row in comparisons(drawn.study, "late", scores)}
    assert set(rows) == {"a", "b"}
    assert rows["a"]["delong"]["ci_low"] > 0.1
    assert rows["a"]["nadeau_bengio"]["folds"] == 4
    assert difference_to("a", drawn.study, "late", scores).record() == rows["a"]["delong"]
    assert difference_to("clinical", drawn.study, "late", scores) is None
