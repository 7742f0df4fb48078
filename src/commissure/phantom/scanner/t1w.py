"""The T1-weighted image of a head: contrast, coil shading, site, noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from commissure.phantom.head.anatomy import Anatomy
from commissure.phantom.layout import named
from commissure.phantom.person import Person
from commissure.phantom.protocol import Protocol
from commissure.phantom.scanner.simulator import (
    Measured,
    RandomStreams,
    Simulator,
    whole_numbers,
    write_scan,
)

#: Signal of the tissues in a 3 T MPRAGE, white matter being 1.
CONTRAST = {"GM": 0.62, "WM": 1.0, "CSF": 0.25}

#: Brightest fat of the scalp over white matter.
SCALP = 1.6

#: Receive field: third-order polynomial that stays within 1 ± this.
SHADING = 0.2

#: Stored value of white matter without shading; leaves room for scalp, shading and noise in int16.
WHITE_MATTER = 1000.0


@dataclass(frozen=True)
class T1wImage:
    """A T1w image as the scanner gives it.

    Attributes
    ----------
    data
        (X, Y, Z) int16.
    affine
        4x4, voxel to mm.
    metadata
        Content of the JSON sidecar.
    """

    data: np.ndarray
    affine: np.ndarray
    metadata: Mapping[str, object]


def simulate_t1w(
    anatomy: Anatomy, person: Person, protocol: Protocol, rng: np.random.Generator
) -> T1wImage:
    """Draw a T1w image of a head.

    Parameters
    ----------
    anatomy
        The head, on the grid of the image.
    person
        The scanner sets gamma (contrast between tissues) and the factor on SNR.
    protocol
        ``t1w_snr``: mean of white matter over the SD of the noise in each channel.
    rng
        Draws shading and noise.
    """
    signal = noise_free(anatomy, gamma=person.scanner.t1w_gamma)
    signal = signal * receive_field(signal.shape, rng)
    noise = 1 / (protocol.anat.snr * person.scanner.snr_factor)
    image = rician(signal, noise, rng) * WHITE_MATTER
    return T1wImage(whole_numbers(image), anatomy.affine, _metadata(person, protocol))


def noise_free(anatomy: Anatomy, *, gamma: float = 1.0) -> np.ndarray:
    """Signal (X, Y, Z) float32 before shading and noise, white matter being 1.

    Parameters
    ----------
    anatomy
        The head.
    gamma
        Each tissue's signal is raised to this power before tissues mix in a voxel: a voxel of two
        tissues stays the mean of both.
    """
    parts = (("GM", anatomy.gm), ("WM", anatomy.wm), ("CSF", anatomy.csf))
    brain = sum(np.float32(CONTRAST[name] ** gamma) * part for name, part in parts)
    return (brain + np.float32(SCALP) * anatomy.outside).astype(np.float32)


def receive_field(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Third-order polynomial (X, Y, Z) float32 with random coefficients, extremes 1 ± 0.2."""
    x, y, z = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    powers = [p for p in product(range(4), repeat=3) if 0 < sum(p) <= 3]
    cube = np.zeros((4, 4, 4), np.float32)
    for power, coefficient in zip(powers, rng.standard_normal(len(powers)), strict=True):
        cube[power] = coefficient
    field = np.einsum(
        "abc,ax,by,cz->xyz",
        cube,
        *(np.vander(axis, 4, increasing=True).T for axis in (x, y, z)),
        optimize=True,
    )
    low, high = field.min(), field.max()
    return (1 + SHADING * (2 * (field - low) / (high - low) - 1)).astype(np.float32)


def rician(signal: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitude of a signal with Gaussian noise of SD ``sigma`` in both channels (float32)."""
    real, imaginary = rng.standard_normal((2, *signal.shape), dtype=np.float32)
    return np.hypot(signal + np.float32(sigma) * real, np.float32(sigma) * imaginary)


def _metadata(person: Person, protocol: Protocol) -> dict[str, object]:
    return {
        "Modality": "MR",
        "MagneticFieldStrength": round(protocol.field_t, 2),
        "Manufacturer": person.scanner.manufacturer,
        "ManufacturersModelName": person.scanner.model,
        "PulseSequenceType": "MPRAGE",
        "MRAcquisitionType": "3D",
        "RepetitionTime": 2.3,
        "EchoTime": 0.00298,
        "InversionTime": 0.9,
        "FlipAngle": 9,
    }


def t1w_files(person: Person, protocol: Protocol) -> list[Path]:
    """The image and its sidecar."""
    return named(person, "anat", "T1w", (".nii.gz", ".json"))


def write_t1w(
    out: Path, anatomy: Anatomy, person: Person, protocol: Protocol, streams: RandomStreams
) -> Measured:
    """Draw the image and write it."""
    t1w = simulate_t1w(anatomy, person, protocol, streams.scan)
    write_scan(out, person, "anat", "T1w", t1w.data, t1w.affine, t1w.metadata)
    return Measured(anatomy.truth)


SIMULATOR = Simulator(
    stream=1, files=t1w_files, write=write_t1w, units={"volume": "mm3", "tiv": "mm3"}
)
