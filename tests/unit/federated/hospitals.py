"""Hospitals whose people are invented, and the same people in one place."""

from __future__ import annotations

import functools

import numpy as np

from commissure.federated.federation import Federation
from commissure.federated.hospital import Hospital
from commissure.federated.site import Site
from commissure.federated.study import by_bytes

MARKERS = 5


def simulated(sites: int, seed: int = 0, people: tuple[int, int] = (20, 60)) -> list[Site]:
    """Sites of uneven sizes, with means of their own, missing values, and a group difference."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(sites):
        n = int(rng.integers(*people))
        labels = (np.arange(n) < rng.uniform(0.3, 0.7) * n).astype(float)
        age = rng.normal(35, 9, n)
        values = rng.normal(size=(n, MARKERS)) @ np.triu(np.ones((MARKERS, MARKERS)))
        values += 1e4 + rng.normal(size=MARKERS) + 0.05 * age[:, None]
        values[:, 0] += 1.5 * labels
        values[rng.random(values.shape) < 0.04] = np.nan
        made.append(Site(f"site{number}", values, np.column_stack([labels, age]), labels))
    return made


def together(sites: list[Site], **options) -> Federation:
    return Federation({site.name: site.answer for site in sites}, **options)


def pooled(sites: list[Site]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.vstack([site.markers for site in sites]),
        np.vstack([site.design for site in sites]),
        np.concatenate([site.labels for site in sites]),
        np.repeat(np.arange(len(sites)), [len(site.labels) for site in sites]),
    )


def hospital_federation(
    folders, out, carry=None, **options
) -> tuple[Federation, dict[str, Hospital]]:
    """Output folders as sites that are asked in bytes."""
    hospitals = {
        folder.parent.name: Hospital(
            folder.parent.name,
            folder,
            log=out / f"{folder.parent.name}.jsonl",
            stays=out / folder.parent.name,
            **options,
        )
        for folder in folders
    }
    sites = {
        name: by_bytes(hospital, None if carry is None else functools.partial(carry, name))
        for name, hospital in hospitals.items()
    }
    return Federation(sites), hospitals
