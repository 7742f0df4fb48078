"""Frequency and phase of every shot against a reference, and shots unlike the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commissure.mrs.chemical_shift import WATER_PPM, ppm_axis

#: Distance from the median spectrum, over that of the median shot, from which on a shot is too far
#: whatever the others do. Shots of one acquisition stay below 1.1, moved ones begin at 2.5.
FAR = 2.0

#: Fewest shots for a mean and standard deviation of their distances.
FEWEST_FOR_SD = 8


@dataclass(frozen=True)
class ShotAlignment:
    """What turns shots onto the reference.

    Attributes
    ----------
    shift_hz
        Frequency to add to each shot, (shots,).
    phase_rad
        Phase to add to each shot, (shots,).
    match
        Normalised correlation with the reference after alignment, 0 to 1, (shots,).
    """

    shift_hz: np.ndarray
    phase_rad: np.ndarray
    match: np.ndarray


def in_band(
    fids: np.ndarray, low_ppm: float, high_ppm: float, *, dwell_s: float, frequency_mhz: float
) -> np.ndarray:
    """FIDs (..., points) with only the frequencies between two chemical shifts left.

    The edges fall off as a raised cosine over 0.1 ppm, so that what lies outside does not ring.
    """
    ppm = np.fft.ifftshift(ppm_axis(fids.shape[-1], dwell_s, frequency_mhz))
    edge = np.minimum(ppm - (low_ppm - 0.1), (high_ppm + 0.1) - ppm) / 0.1
    window = 0.5 - 0.5 * np.cos(np.pi * np.clip(edge, 0, 1))
    return np.fft.ifft(np.fft.fft(fids) * window)


def rotated(
    fids: np.ndarray, shift_hz: np.ndarray | float, phase_rad: np.ndarray | float, *, dwell_s: float
) -> np.ndarray:
    """Add a frequency and a phase to FIDs (..., points); both broadcast over the shots."""
    t = np.arange(fids.shape[-1]) * dwell_s
    shift, phase = np.asarray(shift_hz)[..., None], np.asarray(phase_rad)[..., None]
    return fids * np.exp(1j * (2 * np.pi * shift * t + phase))


def match_to(
    fids: np.ndarray, reference: np.ndarray, *, dwell_s: float, max_shift_hz: float
) -> ShotAlignment:
    """Frequency and phase that bring FIDs closest to a reference, in closed form.

    Parameters
    ----------
    fids
        (shots, points).
    reference
        (points,).
    max_shift_hz
        Largest shift that is looked for.

    Notes
    -----
    Spectral registration (Near J et al., Magn Reson Med 73:44-50, 2015) minimises
    sum |fid exp(i(2 pi f t + p)) - reference|² over f and p. Written out, that is the maximum of
    |C(f)| with C the Fourier transform of conj(reference) fid, and p = -arg C(f): no iteration
    over shots, no local minimum within the search range. The peak is found on a grid of a 16-fold
    zero-filled transform and refined by two Newton steps on |C|².
    """
    product = np.conj(reference) * fids
    points = product.shape[-1]
    size = 1 << int(np.ceil(np.log2(16 * points)))
    # fid exp(+2 pi i f t): the inverse transform, whose k-th bin is f = k / (size dwell).
    spectrum = np.fft.ifft(product, size)
    grid = np.fft.fftfreq(size, dwell_s)
    power = np.where(np.abs(grid) <= max_shift_hz, np.abs(spectrum), -1.0)
    shift = grid[power.argmax(axis=-1)]
    turn = 2j * np.pi * np.arange(points) * dwell_s
    for _ in range(2):
        kernel = product * np.exp(turn * shift[:, None])
        c, c1, c2 = kernel.sum(-1), (kernel * turn).sum(-1), (kernel * turn**2).sum(-1)
        slope = 2 * (np.conj(c) * c1).real
        bend = 2 * (np.abs(c1) ** 2 + (np.conj(c) * c2).real)
        step = np.where(bend < 0, -slope / np.where(bend < 0, bend, 1.0), 0.0)
        shift = shift + np.clip(step, -grid[1], grid[1])
    c = (product * np.exp(turn * shift[:, None])).sum(-1)
    size_of = np.linalg.norm(fids, axis=-1) * np.linalg.norm(reference)
    return ShotAlignment(shift, -np.angle(c), np.abs(c) / np.maximum(size_of, np.finfo(float).tiny))


def align_shots(
    fids: np.ndarray,
    *,
    dwell_s: float,
    frequency_mhz: float,
    low_ppm: float = 0.2,
    high_ppm: float = 4.2,
    duration_s: float = 0.2,
    max_shift_hz: float = 30.0,
) -> ShotAlignment:
    """Register shots onto their own average.

    Parameters
    ----------
    fids
        (shots, points), coils combined.
    low_ppm, high_ppm
        Band that is compared (0 to 8 for water references).
    duration_s
        Only the beginning of the FID is compared: later there is noise.

    Returns
    -------
    ShotAlignment
        Shifts and phases relative to the shots' mean frequency and phase.

    Notes
    -----
    The first reference is the shot nearest to the median spectrum, then three times the mean of
    the shots as aligned so far, weighted by how well they match.
    """
    band = in_band(fids, low_ppm, high_ppm, dwell_s=dwell_s, frequency_mhz=frequency_mhz)
    band = band[:, : min(band.shape[-1], round(duration_s / dwell_s))]
    typical = np.median(band.real, axis=0) + 1j * np.median(band.imag, axis=0)
    reference = band[np.linalg.norm(band - typical, axis=-1).argmin()]
    alignment = match_to(band, reference, dwell_s=dwell_s, max_shift_hz=max_shift_hz)
    for _ in range(3):
        aligned = rotated(band, alignment.shift_hz, alignment.phase_rad, dwell_s=dwell_s)
        reference = np.average(aligned, axis=0, weights=np.maximum(alignment.match, 1e-6))
        alignment = match_to(band, reference, dwell_s=dwell_s, max_shift_hz=max_shift_hz)
    centre = np.median(alignment.shift_hz)
    turn = np.angle(np.exp(1j * alignment.phase_rad).mean())
    phase = np.angle(np.exp(1j * (alignment.phase_rad - turn)))
    return ShotAlignment(alignment.shift_hz - centre, phase, alignment.match)


def unlike_shots(
    fids: np.ndarray,
    *,
    dwell_s: float,
    frequency_mhz: float,
    limit_sd: float = 2.58,
    low_ppm: float = 0.0,
    high_ppm: float = 4.2,
) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each shot from the median spectrum, and which shots are too far.

    Parameters
    ----------
    fids
        (shots, points), aligned.
    limit_sd
        Distances outside the mean plus or minus this many standard deviations are too far, where
        there are :data:`FEWEST_FOR_SD` shots.

    Returns
    -------
    distance, unlike
        (shots,) float and bool; one pass (Near J et al., NMR Biomed 34:e4257, 2021).

    Notes
    -----
    Of n shots none can lie farther than sqrt(n - 1) standard deviations from the mean, and no group
    of more than 1 / (1 + limit_sd²) of them beyond the limit: 13 % at 2.58. So a shot that is
    :data:`FAR` times as far as the median shot is too far as well, which holds for any share below
    a half. Noise-free shots differ by rounding: a tenth of the spectrum is asked for besides.
    """
    ppm = ppm_axis(fids.shape[-1], dwell_s, frequency_mhz)
    spectra = np.fft.fftshift(np.fft.fft(fids), axes=-1)[:, (ppm > low_ppm) & (ppm < high_ppm)]
    typical = np.median(spectra.real, axis=0) + 1j * np.median(spectra.imag, axis=0)
    distance = np.linalg.norm(spectra - typical, axis=-1)
    far = distance > max(FAR * np.median(distance), 0.1 * np.linalg.norm(typical))
    if len(distance) >= FEWEST_FOR_SD:
        far |= np.abs(distance - distance.mean()) > limit_sd * distance.std()
    return distance, far


def singlet_template(
    *,
    points: int,
    dwell_s: float,
    frequency_mhz: float,
    lines: tuple[tuple[float, float], ...] = ((2.008, 1.4), (3.027, 1.0), (3.21, 0.7)),
    fwhm_hz: float = 6.0,
) -> np.ndarray:
    """FID of the singlets that every brain spectrum has: NAA, creatine, choline."""
    t = np.arange(points) * dwell_s
    fid = sum(a * np.exp(2j * np.pi * (p - WATER_PPM) * frequency_mhz * t) for p, a in lines)
    return fid * np.exp(-np.pi * fwhm_hz * t)
