"""y-aware InfoNCE: golden values, its limits, and that both normalisations do what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra deep is not installed")

from commissure.models.encoders.losses import pair_weights, y_aware_infonce  # noqa: E402

FIRST = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], dtype=torch.float64)
SECOND = torch.tensor([[0.6, 0.8], [1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
AGES = torch.tensor([20.0, 24.0, 33.0], dtype=torch.float64)


@pytest.mark.parametrize(
    "sigma, normalisation, expected",
    [
        (5.0, "rows", 7.442533),
        (5.0, "columns", 8.046701),
        (0.0, "rows", 6.734492),
        (0.0, "columns", 6.734492),
        (1e-3, "rows", 6.734492),
        (math.inf, "rows", 12.387826),
        (1e7, "rows", 12.387826),
    ],
)
def test_the_golden_losses(sigma, normalisation, expected):
    loss = y_aware_infonce(
        FIRST, SECOND, AGES, sigma=sigma, temperature=0.1, normalisation=normalisation
    )
    assert float(loss) == pytest.approx(expected, abs=1e-6)


def by_the_formula(first, second, ages, sigma, temperature):
    z = np.vstack([first, second])
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    y = np.concatenate([ages, ages])
    total = 0.0
    for i in range(len(z)):
        others = [j for j in range(len(z)) if j != i]
        w = {j: math.exp(-((y[j] - y[i]) ** 2) / (2 * sigma**2)) for j in others}
        s = {j: math.exp(z[i] @ z[j] / temperature) for j in others}
        for k in others:
            total += w[k] / sum(w.values()) * math.log(s[k] / sum(s.values()))
    return -total / len(first)


def test_it_is_the_formula_written_out_for_vectors_of_any_length():
    rng = np.random.default_rng(3)
    first, second = rng.normal(0, 4, (2, 7, 5))
    ages = rng.uniform(18, 60, 7)
    loss = y_aware_infonce(*map(torch.as_tensor, (first, second, ages)), sigma=6.0, temperature=0.5)
    assert float(loss) == pytest.approx(by_the_formula(first, second, ages, 6.0, 0.5), abs=1e-9)


def test_without_age_it_is_the_cross_entropy_of_simclr():
    rng = np.random.default_rng(4)
    first, second = map(torch.as_tensor, rng.normal(size=(2, 6, 3)))
    z = torch.nn.functional.normalize(torch.cat([first, second]), dim=1)
    logits = (z @ z.T / 0.1).fill_diagonal_(-math.inf)
    partner = torch.arange(12).roll(6)
    simclr = torch.nn.functional.cross_entropy(logits, partner)
    # Two people of one age are still two people.
    ages = torch.tensor([30.0, 30.0, 30.0, 41.0, 52.0, 63.0])
    loss = y_aware_infonce(first, second, ages, sigma=0.0)
    assert float(loss) == pytest.approx(2 * float(simclr), abs=1e-6)


def test_rows_sum_to_one_and_the_columns_of_the_published_code_do_not():
    ages = torch.tensor([20.0, 21.0, 22.0, 60.0])
    rows = pair_weights(ages, 5.0, "rows")
    columns = pair_weights(ages, 5.0, "columns")
    assert torch.allclose(rows.sum(dim=1), torch.ones(8))
    assert float((columns.sum(dim=1) - 1).abs().max()) > 0.01
    assert torch.allclose(rows, columns.T)
    assert float(rows.diagonal().abs().max()) == 0
