"""Any scikit-learn estimator as a model, named by its import path, with its grid.

It takes the prepared blocks side by side, as early fusion does. For every combination of its grid
it is fitted in the inner folds, and what it says of the people left out is calibrated (Platt 1999)
by a regression whose slope is not below 0; the combination with the smallest loss is fitted on all
training people. Its probabilities then mean the same as those of every other model. Markers may be
selected before it sees them: in the training people of each fold, inner folds included.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import skops.io
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.feature_selection import SelectKBest, f_classif, f_regression
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from commissure.errors import ConfigError
from commissure.models.estimators import LEVEL_ONE_PENALTY, BlockModel
from commissure.models.logistic import Solver
from commissure.models.responses import Cox, Gaussian, Response
from commissure.models.settings import EstimatorSettings
from commissure.models.training import TrainingPeople, stacked
from commissure.study.design import Block

#: Probabilities are held this far from 0 and 1 where their logit is taken.
SUREST = 1e-6
#: Types of scikit-learn that a stored model may hold beside those that skops trusts by itself: the
#: compiled tree of forests, whose arrays scikit-learn checks when it is made, and the tests by
#: which markers are selected, functions without a state.
TRUSTED_PARTS = (
    "sklearn.tree._tree.Tree",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
)

# How many markers are kept (None: all), and the parameters of the estimator.
_Choice = tuple[int | None, Mapping[str, Any]]


class ImportedModel(BlockModel):
    """An estimator from elsewhere on prepared blocks, calibrated on inner folds.

    Parameters
    ----------
    estimator, options, grid
        Its import path, its fixed parameters, and the values that are chosen from.
    select
        Numbers of markers to choose from, those kept that each tell the outcome best; all markers
        where it is empty.
    """

    def __init__(
        self,
        blocks: Sequence[Block] = (),
        penalties: Sequence[float] = (1.0,),
        inner_folds: int = 5,
        seed: int = 0,
        solver: Solver = "newton",
        response: Response | None = None,
        estimator: str = "sklearn.svm.SVC",
        options: Mapping[str, Any] | None = None,
        grid: Mapping[str, Sequence[Any]] | None = None,
        select: Sequence[int] = (),
    ) -> None:
        super().__init__(blocks, penalties, inner_folds, seed, solver, response)
        self.estimator = estimator
        self.options = options
        self.grid = grid
        self.select = select

    def fit(
        self, X: np.ndarray, y: np.ndarray, training: TrainingPeople | None = None
    ) -> ImportedModel:
        """Fit on the people with an outcome who have at least one of the blocks."""
        labels, shared = self._training(X, y, training)
        labels, self.freed_ = self._response.freed(shared.labelled_rows, labels)
        present = shared.present(self.blocks_)
        divisions = list(shared.inner_markers(self.blocks_))
        self.preparations_ = shared.preparations(self.blocks_)
        markers = stacked(self.preparations_, shared.labelled_rows[present])
        choices = [
            (kept, parameters)
            for kept in (self.select or (None,))
            for parameters in ParameterGrid(dict(self.grid or {}))
        ]
        self.base_ = self._response.base(labels[present])
        self.chosen_, self.fitted_ = [], []
        calibration = np.zeros((2, labels.shape[1]))
        for column in range(labels.shape[1]):
            target = labels[:, column]
            tried = [self._tried(choice, divisions, target) for choice in choices]
            best = int(np.argmin([loss for loss, _, _ in tried]))
            calibration[:, column] = tried[best][1:]
            kept, parameters = choices[best]
            self.chosen_.append({**parameters, **({"select": kept} if self.select else {})})
            self.fitted_.append(self._fit_one(choices[best], markers, target[present]))
        self.intercept_, self.slope_ = calibration
        return self

    def evidence(self, X: np.ndarray) -> np.ndarray:
        """What it says without the intercept of its calibration, shape (people, labellings)."""
        X = np.asarray(X, float)
        prepared = self.prepared_markers(X)
        said = np.column_stack([self.said_by(fitted, prepared) for fitted in self.fitted_])
        return np.where(self._present(X)[:, None], said * self.slope_, np.nan)

    def _tried(
        self, choice: _Choice, divisions: Sequence[tuple[Any, ...]], target: np.ndarray
    ) -> tuple[float, float, float]:
        """Loss over the inner folds after calibration, its intercept and its slope."""
        said = np.full(len(target), np.nan)
        for train, test, training, tested in divisions:
            said[test] = self.said_by(self._fit_one(choice, training, target[train]), tested)
        seen = np.isfinite(said)
        if not seen.any():
            return np.inf, float(self._response.base(target[:, None])[0]), 0.0
        spread = max(float(said[seen].std()), 1e-12)
        columns = target[seen, None]
        intercept, slope = self._response.joined(
            (said[seen] / spread)[None, :, None], columns, LEVEL_ONE_PENALTY
        )
        scores = intercept + said[seen, None] / spread * slope[:, 0]
        loss = float(self._response.loss(columns, scores[None])[0, 0])
        return loss, float(intercept[0]), float(slope[0, 0]) / spread

    def _fit_one(self, choice: _Choice, X: np.ndarray, target: np.ndarray) -> Any:
        """The estimator with some parameters; None where the people have one label only."""
        kept, parameters = choice
        measured = isinstance(self._response, Gaussian)
        if not measured:
            target = target.astype(int)
            if len(np.unique(target)) < 2:
                return None
        model = built(self.estimator, {**(self.options or {}), **parameters}, self.seed)
        if kept is not None and kept < X.shape[1]:
            model = selecting(model, kept, measured=measured)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # convergence of one of many fits
            return clone(model).fit(X, target)

    def said_by(self, fitted: Any, prepared: np.ndarray) -> np.ndarray:
        """What a fitted estimator says of prepared markers before it is calibrated, (people,)."""
        if fitted is None or not len(prepared):
            return np.zeros(len(prepared))
        if isinstance(self._response, Gaussian):
            return np.asarray(fitted.predict(prepared), float)
        if hasattr(fitted, "decision_function"):
            return np.asarray(fitted.decision_function(prepared), float)
        p = np.clip(fitted.predict_proba(prepared)[:, 1], SUREST, 1 - SUREST)
        return np.asarray(np.log(p / (1 - p)))


def built(path: str, options: Mapping[str, Any], seed: int) -> BaseEstimator:
    """The estimator of an import path, with the study's seed where it takes one.

    Raises
    ------
    ConfigError
        It cannot be imported, is no estimator, or takes no such parameter.
    """
    kind = _imported(path)
    try:
        model: BaseEstimator = kind(**options)
    except TypeError as error:
        raise _refused(path, f"it does not take these options ({error})",
                       f"parameters among {', '.join(_parameters(kind))}") from None  # fmt: skip
    if "random_state" in model.get_params() and "random_state" not in options:
        model.set_params(random_state=seed)
    return model


def selecting(model: BaseEstimator, kept: int, *, measured: bool) -> BaseEstimator:
    """An estimator after the choice of the columns that each tell its outcome best, standardised.

    Parameters
    ----------
    model
        The estimator.
    kept
        How many columns it sees.
    measured
        Whether the outcome is a number, and no label.
    """
    test = f_regression if measured else f_classif
    return make_pipeline(SelectKBest(test, k=kept), StandardScaler(), model)


def check_estimator(settings: EstimatorSettings, response: Response) -> None:
    """Refuse an estimator that cannot be a model of this study.

    It is fitted to forty invented people with the first values of its grid, and stored.

    Raises
    ------
    ConfigError
        It cannot be imported, lacks what a model needs, takes no such parameter, does not fit, or
        cannot be stored without types that are not trusted.
    """
    path = settings.estimator
    if isinstance(response, Cox):
        raise _refused(path, "a time to an event is predicted", "the models of Commissure: "
                       "scikit-learn's estimators know no censoring")  # fmt: skip
    kind = _imported(path)
    wanted = (
        ("predict",) if isinstance(response, Gaussian) else ("decision_function", "predict_proba")
    )
    model = built(path, settings.options, 0)
    measured = isinstance(response, Gaussian)
    if is_classifier(model) if measured else is_regressor(model):
        raise _refused(path, "it tells classes apart" if measured else
                       "it predicts a number", "an estimator for this kind of outcome")  # fmt: skip
    first = {name: values[0] for name, values in settings.grid.items()}
    known = set(_parameters(kind))
    strange = sorted(set(first) - known - set(model.get_params()))
    if strange:
        raise _refused(path, f"it has no parameter '{strange[0]}'",
                       f"parameters among {', '.join(sorted(model.get_params()))}")  # fmt: skip
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 4))
    target = X[:, 0] + rng.normal(size=40)
    # Some regressors take numbers above 0 only.
    target = target - target.min() + 1.0 if measured else (target > 0).astype(int)
    for choice in ParameterGrid(dict(settings.grid)):
        try:
            tried: BaseEstimator = clone(model).set_params(**choice)
            if settings.select:
                tried = selecting(tried, 2, measured=measured)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fitted: Any = tried.fit(X, target)
        except Exception as error:
            raise _refused(path, f"it does not fit with {choice} ({error})",
                           "parameters with which it fits") from None  # fmt: skip
    if not any(hasattr(fitted, name) for name in wanted):
        raise _refused(path, f"it has no {' and no '.join(wanted)}",
                       "an estimator that says how sure it is")  # fmt: skip
    stored = skops.io.get_untrusted_types(data=skops.io.dumps(fitted))
    untrusted = [name for name in stored if name not in TRUSTED_PARTS]
    if untrusted:
        raise _refused(path, f"it cannot be stored: it holds {', '.join(untrusted[:3])}",
                       "an estimator of types that skops trusts (scikit-learn's own)")  # fmt: skip


def _imported(path: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, ValueError, AttributeError) as error:
        raise _refused(path, f"it cannot be imported ({error})",
                       "an import path, as sklearn.svm.SVC") from None  # fmt: skip
    if not (inspect.isclass(kind) and hasattr(kind, "fit") and hasattr(kind, "get_params")):
        raise _refused(path, "it is no scikit-learn estimator", "a class with fit and get_params")
    return kind


def _parameters(kind: Any) -> list[str]:
    return [name for name in inspect.signature(kind.__init__).parameters if name != "self"]


def _refused(path: str, found: str, wanted: str) -> ConfigError:
    return ConfigError(
        f"fusion.models, {path}", found=found, wanted=wanted,
        mend="Correct the entry of fusion.models in config.yaml, or remove it",
    )  # fmt: skip
