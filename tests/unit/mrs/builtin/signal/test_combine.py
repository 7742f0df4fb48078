import numpy as np
import pytest

from commissure.mrs.builtin.signal.combine import coil_weights, combined_coils, noise_covariance

from ...conftest import POINTS, T, noise, noise_sd


def test_coils_are_whitened_and_weighted(clean_fid: np.ndarray) -> None:
    weights = np.array([1.0, 0.5j, -0.8, 0.1 + 0.1j])
    mix = np.eye(4) * [1.0, 1.0, 4.0, 1.0] + 0.1
    coils = clean_fid * weights[:, None] + np.einsum(
        "ij,sjt->sit", mix, noise((24, 4, POINTS), noise_sd(clean_fid, 20.0), 8)
    )
    water = 1e4 * np.exp(-20 * T) * weights[:, None]
    found = coil_weights(coils, water[None])
    # The best linear combination of known sensitivities in known noise.
    inverse = np.linalg.inv(mix @ mix.T)
    ideal = (inverse @ weights).conj()
    agreement = abs(np.vdot(ideal, found.weights))
    agreement /= np.linalg.norm(ideal) * np.linalg.norm(found.weights)
    assert agreement == pytest.approx(1.0, abs=1e-3)
    fid = combined_coils(water[None], found.weights)[0]
    assert abs(fid[0]) == pytest.approx(1e4 * np.linalg.norm(weights), rel=1e-3)


def test_noise_covariance_of_known_noise() -> None:
    mix = np.array([[2.0, 0.0], [1.0, 1.0]])
    fids = np.einsum("ij,sjt->sit", mix, noise((64, 2, POINTS), 1.0, 4))
    np.testing.assert_allclose(noise_covariance(fids), 2 * mix @ mix.T, rtol=0.05)
