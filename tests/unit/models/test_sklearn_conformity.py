import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from commissure.models.estimators import BlockModel
from commissure.models.registry import FUSED_MODELS

FEW = {"penalties": (0.01, 1.0), "inner_folds": 3}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([model.estimator(**FEW) for model in FUSED_MODELS.values()])
def test_scikit_learns_checks_of_estimators(estimator, check) -> None:
    check(estimator)


def test_the_checks_can_fail() -> None:
    class Broken(BlockModel):
        def predict(self, X):
            return np.zeros(len(X))

    with pytest.raises(AssertionError):
        check_estimator(Broken(**FEW), on_skip=None)


def test_other_labels_are_named_back() -> None:
    rng = np.random.default_rng(0)
    y = np.array(["resistant", "responsive"])[np.arange(40) % 2]
    X = rng.normal(size=(40, 3)) + 4.0 * (y == "responsive")[:, None]
    model = BlockModel(**FEW).fit(X, y)
    assert model.classes_.tolist() == ["resistant", "responsive"]
    assert (model.predict(X) == y).mean() > 0.95
    with pytest.raises(ValueError, match="Only binary"):
        BlockModel(**FEW).fit(X, np.arange(40) % 3 + 5)
