"""How an outcome is learnt: one entry for each kind, under the names of its settings.

The estimators share folds, preparation, axes and the joining of modalities. What differs with the
outcome - its columns, its loss, how weights follow from axes - is a response.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from commissure.models.cox import cox_path, partial_loss, ridge_cox
from commissure.models.level_one import intercept_at, nonnegative_logistic
from commissure.models.logistic import Axes, Solver, base_logit, log_loss, logistic_path
from commissure.study.design import COVARIATES, Design
from commissure.study.outcomes.classes import class_names
from commissure.study.settings import StudySettings


class Response(ABC):
    """How an outcome is learnt.

    Outcomes come as shape (people, labellings) and are learnt in columns: one a labelling, or
    several (:attr:`width`).
    """

    #: Columns that each labelling is learnt in.
    width: int = 1

    def columns(self, y: np.ndarray) -> np.ndarray:
        """What is learnt of outcomes, shape (people, labellings * width)."""
        return y.astype(float)

    def freed(self, X: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """The columns without what is not to be learnt, and what is added to predictions again."""
        return columns, None

    def added(self, X: np.ndarray, part: np.ndarray | None) -> np.ndarray | float:
        """What :meth:`freed` took away, of any people."""
        return 0.0

    @abstractmethod
    def base(self, columns: np.ndarray) -> np.ndarray:
        """The prediction without a predictor, shape (columns,)."""

    @abstractmethod
    def path(
        self, axes: Axes, columns: np.ndarray, penalties: np.ndarray, solver: Solver
    ) -> tuple[np.ndarray, np.ndarray]:
        """Intercept (penalties, columns) and weights (penalties, columns, axes)."""

    @abstractmethod
    def loss(self, columns: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Loss of scores (penalties, people, columns) of held-out people, (penalties, columns)."""

    @abstractmethod
    def intercept(self, columns: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Intercept beside scores (people, columns) with the slope 1, shape (columns,)."""

    @abstractmethod
    def joined(
        self, evidence: np.ndarray, columns: np.ndarray, penalty: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights that are not negative, of evidence (columns, people, blocks).

        Returns
        -------
        intercept, weights : numpy.ndarray
            Shapes (columns,) and (columns, blocks).
        """


@dataclass(frozen=True)
class Logistic(Response):
    """Two labels: ridge logistic regression."""

    def base(self, columns: np.ndarray) -> np.ndarray:
        """Logit of the share of ones."""
        return base_logit(columns)

    def path(
        self, axes: Axes, columns: np.ndarray, penalties: np.ndarray, solver: Solver
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ridge logistic regression."""
        return logistic_path(axes, columns, penalties, solver)

    def loss(self, columns: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Log loss."""
        return np.array([log_loss(columns, of_penalty) for of_penalty in scores])

    def intercept(self, columns: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """That which brings the mean probability to the share of ones."""
        return intercept_at(columns, scores)

    def joined(
        self, evidence: np.ndarray, columns: np.ndarray, penalty: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Logistic regression with non-negative weights."""
        return nonnegative_logistic(evidence, columns, penalty)


@dataclass(frozen=True)
class OneVersusRest(Logistic):
    """Several classes: each against all others, probabilities brought to a sum of 1."""

    classes: int = 2

    @property
    def width(self) -> int:  # type: ignore[override]
        """One column a class."""
        return self.classes

    def columns(self, y: np.ndarray) -> np.ndarray:
        """Ones for the people of each class."""
        marks = y[:, :, None] == np.arange(self.classes)
        return marks.reshape(len(y), -1).astype(float)


@dataclass(frozen=True)
class Gaussian(Response):
    """A number: ridge regression, freed of covariates in the training people.

    Attributes
    ----------
    covariates
        Numbers of the columns whose part in the outcome is taken out, by least squares.
    """

    covariates: tuple[int, ...] = ()

    def freed(self, X: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Residuals on the covariates; slopes in the first rows, their means in the last column."""
        if not self.covariates:
            return columns, None
        values = X[:, list(self.covariates)]
        known = np.isfinite(values)
        means = np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        centred = np.where(known, values - means, 0.0)
        slopes = np.linalg.lstsq(centred, columns - columns.mean(axis=0), rcond=None)[0]
        return columns - centred @ slopes, np.column_stack([slopes, means])

    def added(self, X: np.ndarray, part: np.ndarray | None) -> np.ndarray | float:
        """What the covariates say."""
        if part is None:
            return 0.0
        centred = np.nan_to_num(X[:, list(self.covariates)] - part[:, -1])
        return np.asarray(centred @ part[:, :-1])

    def base(self, columns: np.ndarray) -> np.ndarray:
        """The mean; 0 where there is nobody."""
        return np.asarray(columns.sum(axis=0) / max(1, len(columns)))

    def path(
        self, axes: Axes, columns: np.ndarray, penalties: np.ndarray, solver: Solver
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ridge regression, whose optimum is one step away: that of scikit-learn's ``Ridge``."""
        mean = self.base(columns)
        square = (axes.scores**2).sum(axis=0)
        gradient = (columns - mean).T @ axes.scores
        weights = gradient / (square + np.asarray(penalties, float)[:, None, None])
        return np.repeat(mean[None, :], len(penalties), axis=0), weights

    def loss(self, columns: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Sum of squares."""
        return np.asarray(((scores - columns) ** 2).sum(axis=1))

    def intercept(self, columns: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """The mean of what is left."""
        return self.base(columns - scores)

    def joined(
        self, evidence: np.ndarray, columns: np.ndarray, penalty: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ridge regression whose negative weights are dropped until none is left."""
        problems, _, blocks = evidence.shape
        middle = evidence.mean(axis=1, keepdims=True)
        centred = evidence - middle
        wanted = np.einsum("pib,ip->pb", centred, columns - columns.mean(axis=0))
        gram = np.einsum("pib,pic->pbc", centred, centred)
        allowed = np.ones((problems, blocks), dtype=bool)
        weights = np.zeros((problems, blocks))
        for _ in range(blocks + 1):
            both = allowed[:, :, None] & allowed[:, None, :]
            system = (
                np.where(both, gram, 0.0)
                + np.eye(blocks) * np.where(allowed, penalty, 1.0)[:, None, :]
            )
            weights = np.linalg.solve(system, np.where(allowed, wanted, 0.0)[:, :, None])[:, :, 0]
            negative = weights < 0
            if not negative.any():
                break
            allowed &= ~negative
        weights = np.maximum(weights, 0.0)
        return columns.mean(axis=0) - (middle[:, 0] * weights).sum(axis=1), weights


@dataclass(frozen=True)
class Cox(Response):
    """A time to an event: ridge Cox regression; predictions are log hazards."""

    def base(self, columns: np.ndarray) -> np.ndarray:
        """Nothing: a hazard is relative."""
        return np.zeros(columns.shape[1])

    def path(
        self, axes: Axes, columns: np.ndarray, penalties: np.ndarray, solver: Solver
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ridge Cox regression."""
        return cox_path(axes, columns, penalties, solver)

    def loss(self, columns: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Minus the partial log likelihood among the held-out people."""
        return partial_loss(columns, scores)

    def intercept(self, columns: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Nothing: a hazard is relative."""
        return np.zeros(columns.shape[1])

    def joined(
        self, evidence: np.ndarray, columns: np.ndarray, penalty: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cox regression with non-negative weights."""
        weights = np.array([
            ridge_cox(part, outcome, penalty, nonnegative=True)
            for part, outcome in zip(evidence, columns.T, strict=True)
        ])  # fmt: skip
        return np.zeros(len(evidence)), weights


LOGISTIC = Logistic()


def response_of(design: Design, settings: StudySettings) -> Response:
    """How the outcome of a study is learnt."""
    covariates = design.blocks[COVARIATES].columns if COVARIATES in design.blocks else ()
    responses: dict[str, Response] = {
        "binary": LOGISTIC,
        "continuous": Gaussian(covariates),
        "classes": OneVersusRest(len(class_names(settings))),
        "time_to_event": Cox(),
    }
    return responses[settings.outcome.kind]
