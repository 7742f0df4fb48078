from typing import get_args

import numpy as np
import pytest

from commissure.models.estimators import BlockModel
from commissure.models.fitting import fit_coalitions, fit_models
from commissure.models.multiple_kernel import MultipleKernelFusion
from commissure.models.registry import FUSED_MODELS, ModelSpec, stored_types
from commissure.models.settings import FusedName, ModelName, ModelSettings
from commissure.study.design import Block

FEW = ModelSettings(penalties=[1.0, 10.0], inner_folds=3)
BLOCKS = Block("a", (0, 1)), Block("b", (2, 3))


def people() -> tuple[np.ndarray, np.ndarray]:
    """Forty people of two labels, four columns."""
    rng = np.random.default_rng(0)
    y = np.arange(40) % 2
    return rng.normal(size=(40, 4)) + y[:, None], y


def test_every_fused_model_that_may_be_asked_for_is_declared() -> None:
    assert set(get_args(FusedName)) == set(FUSED_MODELS) < set(get_args(ModelName))
    assert ModelSettings().primary in FUSED_MODELS


@pytest.mark.parametrize("name", FUSED_MODELS)
def test_a_declared_model_is_fitted_alone_and_in_coalitions(name: str) -> None:
    X, y = people()
    declared = FUSED_MODELS[name]
    spec = ModelSpec(name, "fusion", declared.description, ("a", "b"), BLOCKS)
    assert type(fit_models([spec], X, y, settings=FEW)[name]) is declared.estimator
    alone, both = fit_coalitions(name, [BLOCKS[:1], BLOCKS], X, y, settings=FEW)
    assert type(both) is declared.estimator
    assert type(alone) is (BlockModel if declared.linear else declared.estimator)


def test_what_no_fused_model_names_is_joined_late() -> None:
    X, y = people()
    both = fit_coalitions("a", [BLOCKS], X, y, settings=FEW)[0]
    assert type(both) is FUSED_MODELS["late"].estimator


def test_types_of_declared_models_may_be_stored() -> None:
    name = f"{MultipleKernelFusion.__module__}.{MultipleKernelFusion.__qualname__}"
    assert name in stored_types()
    assert len(stored_types()) == len(set(stored_types()))
    of_others = [kind for kind in stored_types() if not kind.startswith("commissure.")]
    tests = [
        f"sklearn.feature_selection._univariate_selection.f_{n}" for n in ("classif", "regression")
    ]
    assert of_others == ["sklearn.tree._tree.Tree", *tests]
