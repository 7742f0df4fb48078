"""Network-structured haemodynamic signals with a connectivity that is known exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.special import gammaln

from commissure.images.atlas import schaefer
from commissure.images.connectivity_sets import (
    NETWORK_PAIRS,
    NETWORKS,
    STRIATUM,
    SUBCORTEX,
    THALAMUS,
    dlpfc_parcels,
    dmn_core_parcels,
    frontal_parcels,
    network_parcels,
)
from commissure.phantom.person import Person

#: Every signal has a name: the cortical parcels, the subcortical structures, and all other grey
#: matter together.
OTHER = "Other"

#: Latent correlations where a person's markers say nothing.
WITHIN = 0.45
BETWEEN = 0.06
BETWEEN_PAIRS = {"SalVentAttn-Default": -0.10, "DorsAttn-Default": -0.10}
THALAMUS_CORTEX = 0.15
STRIATUM_CORTEX = 0.12
HIPPOCAMPUS_DEFAULT = 0.20
HOMOTOPIC = 0.15

#: Spread of single pairs around the mean of their block: the same in everyone, and a person's own.
PAIR_SD_SHARED = 0.08
PAIR_SD_OWN = 0.05

#: Neural signal: correlation time; haemodynamic response: gamma functions that peak and undershoot
#: at these times (Glover GH, NeuroImage 9:416-429, 1999); regional differences of latency.
NEURAL_TIME_S = 1.5
RESPONSE_PEAK_S, UNDERSHOOT_PEAK_S, UNDERSHOOT_RATIO = 6.0, 16.0, 1 / 6
LATENCY_SD_S = 0.3
LATENCY_LIMIT_S = 0.5
FINE_S = 0.5


@lru_cache(maxsize=1)
def node_names() -> tuple[str, ...]:
    """Names of all signals: 100 parcels, :data:`SUBCORTEX`, :data:`OTHER`."""
    return (*schaefer(100).labels["name"], *SUBCORTEX, OTHER)


@dataclass(frozen=True)
class Signals:
    """Haemodynamic signals of unit variance.

    Attributes
    ----------
    series
        (T, nodes), nodes as in :func:`node_names`.
    correlation
        (nodes, nodes) true correlation of the haemodynamic signals: that of infinitely long series.
    latency_s
        (nodes,) delays of the response.
    """

    series: np.ndarray
    correlation: np.ndarray
    latency_s: np.ndarray


def latent_correlation(person: Person, rng: np.random.Generator) -> np.ndarray:
    """Correlation of the neural signals of one person, (nodes, nodes).

    Block means are those of ``person.markers`` (defaults where there are none); single pairs
    scatter around them. Where the wishes contradict each other, no correlation matrix meets them
    all, and the nearest by alternating projections is taken: what counts as truth is
    computed from the matrix that is used.
    """
    n = len(node_names())
    upper = np.triu_indices(n, 1)
    weights, names = _block_weights()
    wanted = np.array([_wanted(person.markers, name) for name in names])
    free = np.isnan(wanted)
    weights, wanted = weights[~free], wanted[~free]
    pairs = _typical_pairs() + PAIR_SD_OWN * rng.standard_normal(len(upper[0]))
    gram = np.linalg.inv(weights @ weights.T)
    matrix = np.eye(n)
    for _ in range(40):
        pairs = pairs + weights.T @ (gram @ (wanted - weights @ pairs))
        matrix[upper] = pairs
        matrix.T[upper] = pairs
        np.fill_diagonal(matrix, 1.0)
        values, vectors = np.linalg.eigh(matrix)
        if values[0] > 1e-3:
            break
        matrix = (vectors * np.maximum(values, 5e-3)) @ vectors.T
        scale = 1 / np.sqrt(np.diag(matrix))
        matrix *= scale[:, None] * scale
        pairs = matrix[upper]
    return matrix


def haemodynamic_signals(
    latent: np.ndarray,
    *,
    volumes: int,
    tr_s: float,
    rng: np.random.Generator,
    lasting: np.random.Generator | None = None,
) -> Signals:
    """Draw stationary haemodynamic signals whose neural part has the correlation ``latent``.

    The neural signals are first-order autoregressive processes; they are drawn in the frequency
    domain on a circle longer than the run, so that the run starts in the middle of things and
    delays are exact. The correlation of two signals is that of their neural parts times what their
    difference in latency leaves of it. ``lasting`` draws the latencies, which stay from run to run;
    ``None`` is ``rng``.
    """
    nodes = len(latent)
    length = 2 * int(np.ceil((volumes * tr_s + 100) / FINE_S / 2))
    hz = np.fft.rfftfreq(length, FINE_S)
    spectrum = _spectrum(hz)
    spectrum[0] = 0
    drawn = LATENCY_SD_S * (lasting or rng).standard_normal(nodes)
    latency = np.clip(drawn, -LATENCY_LIMIT_S, LATENCY_LIMIT_S)
    white = rng.standard_normal((2, len(hz), nodes))
    coloured = (white[0] + 1j * white[1]) @ np.linalg.cholesky(latent).T
    shifted = np.exp(-2j * np.pi * hz[:, None] * latency) * np.sqrt(spectrum / 2)[:, None]
    shifted[-1] = 0  # The Nyquist frequency of a shifted real signal has no room for its phase.
    spectrum[-1] = 0
    series = np.fft.irfft(coloured * shifted, length, axis=0) * length / np.sqrt(spectrum.sum())
    # The variance of irfft's output is 2 sum|X|²/length²; the factor above makes it 1.
    series /= np.sqrt(2)
    step = tr_s / FINE_S
    sampled = np.rint(np.arange(volumes) * step).astype(int)
    return Signals(
        series=series[sampled],
        correlation=latent * _coherence(latency, hz, spectrum),
        latency_s=latency,
    )


def connectivity_truth(correlation: np.ndarray) -> dict[tuple[str, str], float]:
    """Markers of connectivity that a correlation matrix of :func:`node_names` has.

    Fisher z of each pair, averaged over pairs as the marker rows define it.
    """
    labels = schaefer(100).labels
    z = np.arctanh(np.clip(correlation, -0.9999, 0.9999))
    np.fill_diagonal(z, np.nan)
    sets = {network: network_parcels(labels, network) for network in NETWORKS}
    truth = {("fc", network): _mean(z, rows, rows) for network, rows in sets.items()}
    for first, second in NETWORK_PAIRS:
        truth["fc", f"{first}-{second}"] = _mean(z, sets[first], sets[second])
    cortex = np.arange(len(labels))
    for side in ("L", "R", "bilateral"):
        truth["fc_dlpfc_strength", f"DLPFC_{side}"] = _mean(z, dlpfc_parcels(labels, side), cortex)  # type: ignore[arg-type]
    truth["fc_dmn_core", "Default"] = _mean(z, *dmn_core_parcels(labels))
    for network in ("Cont", "SomMot"):
        truth["fc_thal_cortex", network] = _mean(z, _subcortical(THALAMUS), sets[network])
    truth["fc_striatum_cortex", "frontal"] = _mean(
        z, _subcortical(STRIATUM), frontal_parcels(labels)
    )
    return truth


def _mean(z: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> float:
    return float(np.nanmean(z[np.ix_(rows, columns)]))


def _subcortical(names: tuple[str, ...]) -> np.ndarray:
    return np.array([node_names().index(name) for name in names])


def _spectrum(hz: np.ndarray) -> np.ndarray:
    """Power of the haemodynamic signal: autoregressive input times squared response."""
    phi = np.exp(-FINE_S / NEURAL_TIME_S)
    neural = 1 / np.abs(1 - phi * np.exp(-2j * np.pi * hz * FINE_S)) ** 2
    t = np.arange(0, 32, FINE_S)

    def gamma(peak: float) -> np.ndarray:
        # Shape so that the mode is at peak with unit scale, as in the canonical response.
        shape = peak
        return np.exp((shape - 1) * np.log(np.maximum(t, 1e-9)) - t - gammaln(shape))

    response = gamma(RESPONSE_PEAK_S) - UNDERSHOOT_RATIO * gamma(UNDERSHOOT_PEAK_S)
    transfer = np.exp(-2j * np.pi * np.outer(hz, t)) @ response
    power = neural * np.abs(transfer) ** 2
    return power / power.max()


def _coherence(latency: np.ndarray, hz: np.ndarray, spectrum: np.ndarray) -> np.ndarray:
    """What different latencies leave of the correlation, for all pairs."""
    phases = np.exp(2j * np.pi * hz[:, None] * latency)
    return ((phases.conj().T * spectrum) @ phases).real / spectrum.sum()


@lru_cache(maxsize=1)
def _block_weights() -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Each marker as weights on the pairs (upper triangle): its value is the weighted sum."""
    labels = schaefer(100).labels
    n = len(node_names())
    upper = np.triu_indices(n, 1)
    rows, names = [], []

    def add(name: tuple[str, str], first: np.ndarray, second: np.ndarray) -> None:
        block = np.zeros((n, n))
        block[np.ix_(first, second)] = 1
        np.fill_diagonal(block, 0)
        block = block + block.T
        rows.append(block[upper] / block[upper].sum())
        names.append(name)

    sets = {network: network_parcels(labels, network) for network in NETWORKS}
    for network in NETWORKS:
        add(("fc", network), sets[network], sets[network])
    for first, second in NETWORK_PAIRS:
        add(("fc", f"{first}-{second}"), sets[first], sets[second])
    add(("fc_dlpfc_strength", "DLPFC_bilateral"), dlpfc_parcels(labels), np.arange(len(labels)))
    for network in ("Cont", "SomMot"):
        add(("fc_thal_cortex", network), _subcortical(THALAMUS), sets[network])
    add(("fc_striatum_cortex", "frontal"), _subcortical(STRIATUM), frontal_parcels(labels))
    return np.array(rows), names


def _wanted(markers: Mapping[tuple[str, str], float], name: tuple[str, str]) -> float:
    """Mean latent correlation asked for; NaN where nothing is."""
    if name in markers:
        return markers[name]
    marker, region = name
    if marker != "fc":
        return np.nan
    return BETWEEN_PAIRS.get(region, BETWEEN) if "-" in region else WITHIN


@lru_cache(maxsize=1)
def _typical_pairs() -> np.ndarray:
    """Pairs (upper triangle) of an average person before block means are set."""
    labels = schaefer(100).labels
    n, cortex = len(node_names()), len(labels)
    matrix = np.full((n, n), BETWEEN)
    for network in NETWORKS:
        rows = network_parcels(labels, network)
        matrix[np.ix_(rows, rows)] = WITHIN
    thalamus, striatum = _subcortical(THALAMUS), _subcortical(STRIATUM)
    limbic = _subcortical(SUBCORTEX[-4:])
    for rows, value in ((thalamus, THALAMUS_CORTEX), (striatum, STRIATUM_CORTEX)):
        matrix[np.ix_(rows, np.arange(cortex))] = value
        matrix[np.ix_(rows, rows)] = 0.4
    matrix[np.ix_(limbic, network_parcels(labels, "Default"))] = HIPPOCAMPUS_DEFAULT
    matrix[np.ix_(limbic, limbic)] = 0.3
    matrix = np.where(np.abs(matrix - BETWEEN) > np.abs(matrix.T - BETWEEN), matrix, matrix.T)
    for one, other in _homotopic(labels):
        matrix[one, other] += HOMOTOPIC
        matrix[other, one] += HOMOTOPIC
    for left in range(cortex, n - 1, 2):
        matrix[left, left + 1] = matrix[left + 1, left] = 0.6
    shared = np.random.default_rng(2018).standard_normal((n, n)) * PAIR_SD_SHARED
    return (matrix + np.triu(shared, 1))[np.triu_indices(n, 1)]


def _homotopic(labels: pd.DataFrame) -> list[tuple[int, int]]:
    """Pairs of parcels of one network that lie at mirrored places, closer than 15 mm."""
    xyz = labels[["x_mm", "y_mm", "z_mm"]].to_numpy()
    pairs = []
    for i in np.flatnonzero(labels["hemisphere"] == "L"):
        others = np.flatnonzero(
            (labels["hemisphere"] == "R") & (labels["network"] == labels["network"].iloc[i])
        )
        far = np.linalg.norm(xyz[others] - xyz[i] * [-1, 1, 1], axis=1)
        if len(far) and far.min() < 15:
            pairs.append((int(i), int(others[far.argmin()])))
    return pairs
