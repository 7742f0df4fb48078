"""Breath, heart beat, slow drifts and tissue noise of a BOLD run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: SD over time in per cent of the mean.
RESPIRATION_PERCENT, RESPIRATION_HZ = 0.4, 0.28
CARDIAC_PERCENT, CARDIAC_HZ = 0.4, 1.1
SLOW_PERCENT = 0.3
TISSUE_PERCENT = {"wm": 0.35, "csf": 1.2}
DRIFT_PERCENT = 0.8


def physiological_noise(
    tissue: Mapping[str, np.ndarray],
    places_mm: np.ndarray,
    volumes: int,
    tr_s: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw physiological noise and drift.

    Breath and heart beat are sampled at the repetition time and so appear at aliased frequencies.

    Parameters
    ----------
    tissue
        Shares of ``gm wm csf`` in the voxels, (voxels,) each, at ``places_mm`` (3, voxels).
    volumes, tr_s
        Length of the run, and its repetition time in seconds.

    Returns
    -------
    numpy.ndarray
        (voxels, volumes) in per cent of the mean.
    """
    t = np.arange(volumes) * tr_s
    n = len(tissue["gm"])
    maps, courses = [], []

    def add(spatial: np.ndarray, course: np.ndarray, percent: float) -> None:
        maps.append(percent * spatial)
        courses.append((course - course.mean()) / max(course.std(), 1e-9))

    def smooth_field(cycles_per_mm: float = 1 / 160) -> np.ndarray:
        """A smooth random field around 0, SD about 1: a few plane waves."""
        waves = rng.normal(0, cycles_per_mm, (6, 3))
        phases = rng.uniform(0, 2 * np.pi, (6, 1))
        return np.cos(2 * np.pi * waves @ places_mm + phases).sum(axis=0) / np.sqrt(3)

    def slow(seconds: float) -> np.ndarray:
        phi = np.exp(-tr_s / seconds)
        course = rng.standard_normal(volumes)
        for k in range(1, volumes):
            course[k] += phi * course[k - 1]
        return course

    breath = RESPIRATION_HZ * t + 0.02 * np.cumsum(rng.standard_normal(volumes))
    beat = CARDIAC_HZ * (1 + rng.normal(0, 0.08)) * t + 0.03 * np.cumsum(
        rng.standard_normal(volumes)
    )
    low = np.clip(-places_mm[2] + places_mm[2].mean(), 0, None)
    vessels = 0.4 + 2 * tissue["csf"] + low / 60
    for phase in (0.0, np.pi / 2):
        add(0.7 + 0.5 * smooth_field(), np.sin(2 * np.pi * breath + phase), RESPIRATION_PERCENT)
        add(vessels * (1 + 0.5 * smooth_field()), np.sin(2 * np.pi * beat + phase), CARDIAC_PERCENT)
    add(1.0 * tissue["gm"] + 0.6 * tissue["wm"] + 0.5 * tissue["csf"], slow(8.0), SLOW_PERCENT)
    for name, percent in TISSUE_PERCENT.items():
        for _ in range(3):
            add(tissue[name] * smooth_field(), slow(4.0), percent / np.sqrt(3))
    for degree in (1, 2):
        add(np.ones(n) + 0.5 * smooth_field(), t**degree, DRIFT_PERCENT * rng.normal())
    return np.array(maps).T @ np.array(courses)
