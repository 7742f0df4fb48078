"""Bayesian linear regression of many columns at once, the widths of its priors learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

#: Precision of a column without a prior, and of one that a marker does not see.
NO_PRIOR, SHUT = 1e-8, 1e12
#: Limits of a learnt precision.
LEAST_PRECISION, MOST_PRECISION = 1e-4, 1e8


@dataclass(frozen=True)
class Posterior:
    """Coefficients of every marker, and how sure they are.

    Attributes
    ----------
    groups
        The group of each column, negative for a column without a prior.
    penalties
        Precision of the prior of each group, shape (markers, groups).
    coefficients
        Shape (markers, columns).
    covariances
        Shape (markers, columns, columns).
    hyperprior
        By group: precision at the start, and as how many columns this counts.
    """

    groups: np.ndarray
    penalties: np.ndarray
    coefficients: np.ndarray
    covariances: np.ndarray
    hyperprior: np.ndarray

    @classmethod
    def start(
        cls, markers: int, groups: np.ndarray, priors: Mapping[int, tuple[float, float]]
    ) -> Self:
        """Nothing learnt yet.

        Parameters
        ----------
        markers
            How many.
        groups
            The group of each column, negative for a column without a prior.
        priors
            By group the standard deviation of its coefficients at the start, and as how many
            columns this counts.
        """
        hyperprior = np.array([[1 / sd**2, count] for _, (sd, count) in sorted(priors.items())])
        columns = len(groups)
        return cls(
            groups, np.tile(hyperprior[:, 0], (markers, 1)), np.zeros((markers, columns)),
            np.zeros((markers, columns, columns)), hyperprior,
        )  # fmt: skip

    def means(self, columns: np.ndarray) -> np.ndarray:
        """What is expected of people, shape (people, markers)."""
        return np.asarray(columns @ self.coefficients.T)

    def variances(self, products: np.ndarray) -> np.ndarray:
        """How far that may be off, squared, from :func:`pair_products`; (people, markers)."""
        return np.asarray(products @ self.covariances.reshape(len(self.covariances), -1).T)


def pair_products(columns: np.ndarray) -> np.ndarray:
    """All products of two columns, shape (people, columns squared)."""
    return np.asarray((columns[:, :, None] * columns[:, None, :]).reshape(len(columns), -1))


@dataclass(frozen=True)
class WeightedSums:
    """What a weighted regression needs of people: sums over them, which add up over places.

    Attributes
    ----------
    information
        Weighted cross-products of the columns, shape (markers, columns, columns).
    response
        Weighted cross-products of the columns and each marker, shape (markers, columns).
    """

    information: np.ndarray
    response: np.ndarray


def weighted_sums(
    columns: np.ndarray, products: np.ndarray, weights: np.ndarray, values: np.ndarray
) -> WeightedSums:
    """The sums of some people.

    Parameters
    ----------
    columns, products
        Shape (people, columns), and their :func:`pair_products`.
    weights, values
        Precision of each value and the value, both (people, markers).
    """
    markers, count = weights.shape[1], columns.shape[1]
    return WeightedSums(
        (weights.T @ products).reshape(markers, count, count), (weights * values).T @ columns
    )


def learnt_posterior(
    start: Posterior, sums: WeightedSums, shut: np.ndarray, *, rounds: int
) -> Posterior:
    """Coefficients under priors whose precisions maximise the evidence (MacKay 1992).

    Parameters
    ----------
    start
        From whose precisions to go on.
    sums
        Of everybody.
    shut
        Which columns a marker does not see, shape (markers, columns).
    rounds
        Fixed-point steps of the precisions.
    """
    information, response = sums.information, sums.response
    markers, count = response.shape
    penalties = start.penalties.copy()
    diagonal = np.arange(count)
    for _ in range(rounds):
        precision = np.full((markers, count), NO_PRIOR)
        for group in range(penalties.shape[1]):
            precision[:, start.groups == group] = penalties[:, [group]]
        precision[shut] = SHUT
        matrix = information.copy()
        matrix[:, diagonal, diagonal] += precision
        covariances = np.linalg.inv(matrix)
        coefficients = np.einsum("mij,mj->mi", covariances, response)
        doubt = covariances[:, diagonal, diagonal]
        for group, (usual, counts) in enumerate(start.hyperprior):
            of_group = start.groups == group
            size = int(of_group.sum())
            if not size:
                continue
            determined = size - penalties[:, group] * doubt[:, of_group].sum(axis=1)
            squares = (coefficients[:, of_group] ** 2).sum(axis=1)
            penalties[:, group] = np.clip(
                (determined + counts) / np.maximum(squares + counts / usual, 1e-12),
                LEAST_PRECISION, MOST_PRECISION,
            )  # fmt: skip
    return replace(start, penalties=penalties, coefficients=coefficients, covariances=covariances)
