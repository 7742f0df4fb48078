from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.mrs.acquisition.nifti_mrs import Svs, read_svs
from commissure.mrs.builtin.signal.average import AveragedSpectrum, averaged_spectrum
from commissure.mrs.builtin.signal.screen import _SPECTRUM, _WATER, _spiked, screened
from commissure.mrs.builtin.signal.water_reference import read_water

SHOTS = 12


@pytest.fixture
def acquisition(write_press: Callable) -> tuple[Svs, Svs]:
    """Twelve shots, of which the eighth was corrupted, and the water reference."""
    scan = write_press(shots=SHOTS, coils=3).scan
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    water = read_water(scan, svs).svs
    assert water is not None
    return svs, water


def changed(svs: Svs, change: Callable[[np.ndarray], object]) -> Svs:
    fids = svs.fids.copy()
    change(fids)
    return replace(svs, fids=fids)


def height(spectrum: AveragedSpectrum) -> float:
    """Of the metabolites, over that of the water."""
    assert spectrum.water is not None
    water = np.abs(np.fft.fft(spectrum.water.averaged())).max()
    return float(np.abs(np.fft.fft(spectrum.svs.averaged())).max() / water)


def noise_like(shots: np.ndarray, factor: float) -> np.ndarray:
    rng = np.random.default_rng(2)
    size = factor * np.abs(shots[..., 0]).mean()
    return size * (rng.normal(size=shots.shape) + 1j * rng.normal(size=shots.shape))


def zero(shots):
    return lambda fids: fids.__setitem__(shots, 0)


def times(shots, factor):
    return lambda fids: fids.__setitem__(shots, fids[shots] * factor)


def noise(shots, factor):
    return lambda fids: fids.__setitem__(shots, noise_like(fids[shots], factor))


def spike(fids):
    fids[3, 1, 400] = 1e6


@pytest.mark.parametrize(
    ("change", "left_out", "cause"),
    [
        (zero([2]), [2], "zero"),
        (zero([0, 1, 2, 3, 4, 5]), [0, 1, 2, 3, 4, 5], "zero"),
        (times([4], 20), [4], "of another scale"),
        (times([0, 1, 2, 4, 5], 20), [0, 1, 2, 4, 5], "of another scale"),
        (times([0, 4], 1e-3), [0, 4], "of another scale"),
        (noise([1], 1000), [1], "of another scale"),
        (spike, [3], "with a sample that no FID has"),
        (lambda f: f.__setitem__(slice(1, 4), f[0]), [1, 2, 3], "a copy of an earlier one"),
    ],
)
def test_shots_that_no_step_could_use_are_left_out_and_named(
    acquisition, change, left_out: list[int], cause: str
) -> None:
    svs, water = acquisition
    undisturbed = averaged_spectrum(svs, water)
    spectrum = averaged_spectrum(changed(svs, change), water)
    by_name = {step["step"]: step for step in spectrum.steps}
    step = by_name["unusable shots"]
    assert step["left_out"] == {cause: left_out}
    assert f"{len(left_out)} of 12 shots of {svs.name}" in step["note"]
    assert f"{cause} ({', '.join(map(str, left_out))})" in step["note"]
    assert height(spectrum) == pytest.approx(height(undisturbed), rel=0.03)
    expected = [i for i in range(SHOTS) if i != 7 and i not in left_out]
    assert np.flatnonzero(spectrum.kept).tolist() == expected
    assert by_name["shot rejection"]["of"] == SHOTS
    assert by_name["shot rejection"]["kept"] == len(expected)


@pytest.mark.parametrize("share", [2, 4])
@pytest.mark.parametrize("kind", ["weak", "noise"])
def test_unlike_shots_are_left_out_for_any_share_below_a_half(
    acquisition, share: int, kind: str
) -> None:
    svs, water = acquisition
    undisturbed = averaged_spectrum(svs, water)
    bad = [0, 2, 4, 6][:share]  # and the one that the fixture corrupts
    change = times(bad, 0.4) if kind == "weak" else noise(bad, 0.15)
    spectrum = averaged_spectrum(changed(svs, change), water)
    assert np.flatnonzero(~spectrum.kept).tolist() == sorted({*bad, 7})
    assert height(spectrum) == pytest.approx(height(undisturbed), rel=0.03)


def test_a_few_shots_have_a_median_too(write_press: Callable) -> None:
    scan = write_press(shots=5, coils=1, water=False).scan
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    spectrum = averaged_spectrum(changed(svs, times([1], 0.4)), None)
    assert np.flatnonzero(~spectrum.kept).tolist() == [1]
    rejection = next(step for step in spectrum.steps if step["step"] == "shot rejection")
    assert (rejection["kept"], rejection["of"], list(rejection["rejected"])) == (4, 5, [1])


def test_one_shot_that_is_left_is_counted_against_all(acquisition) -> None:
    svs, water = acquisition
    spectrum = averaged_spectrum(changed(svs, zero(slice(1, None))), water)
    rejection = next(step for step in spectrum.steps if step["step"] == "shot rejection")
    assert (rejection["kept"], rejection["of"]) == (1, SHOTS)


def test_zero_shots_of_the_water_reference_do_not_halve_it(acquisition) -> None:
    svs, water = acquisition
    twice = replace(water, fids=np.concatenate([water.fids, np.zeros_like(water.fids)]))
    spectrum = averaged_spectrum(svs, twice)
    assert height(spectrum) == pytest.approx(height(averaged_spectrum(svs, water)), rel=1e-6)
    assert "1 of 2 shots" in next(step["note"] for step in spectrum.steps if "note" in step)


def test_a_coil_without_signal_is_left_out_of_both(acquisition) -> None:
    svs, water = acquisition
    spectrum = averaged_spectrum(changed(svs, lambda f: f.__setitem__((slice(None), 1), 0)), water)
    assert next(step["left_out"] for step in spectrum.steps if "note" in step) == [1]
    undisturbed = averaged_spectrum(svs, water)
    assert height(spectrum) == pytest.approx(height(undisturbed), rel=0.05)


def test_nothing_usable_is_refused(acquisition) -> None:
    svs, water = acquisition
    with pytest.raises(DatasetError, match="no coil has signal in both"):
        screened(svs, replace(water, fids=np.zeros_like(water.fids)))
    spoilt = changed(water, lambda f: f.__setitem__((0, 0, 300), 1e9))
    with pytest.raises(DatasetError, match="every shot is with a sample that no FID has"):
        screened(svs, spoilt)


def test_good_shots_stay_as_they_are(acquisition) -> None:
    svs, water = acquisition
    usable = screened(svs, water)
    assert (usable.svs, usable.water, usable.steps) == (svs, water, [])
    assert usable.shots.all()


def test_a_decaying_fid_and_noise_have_no_spike() -> None:
    rng = np.random.default_rng(1)
    t = np.arange(2048) / 2000
    shape = (16, 4, 2048)
    noise = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    assert not _spiked(noise, _SPECTRUM).any()
    beats = (np.exp(2j * np.pi * 240 * t) + np.exp(-2j * np.pi * 250 * t)) * np.exp(-30 * t)
    beats[0] *= 0.5  # digital filters spoil the first point
    assert not _spiked(100 * beats + noise, _SPECTRUM).any()
    assert not _spiked(100 * np.exp(-30 * t) * (1 + 0.2 * beats) + noise, _WATER).any()


@pytest.mark.parametrize("point", [1, 14, 200])
def test_a_sample_of_the_water_that_is_thrice_its_neighbours_is_seen(acquisition, point) -> None:
    svs, water = acquisition
    spoilt = changed(water, lambda f: f.__setitem__((0, 0, point), 3 * f[0, 0, point]))
    with pytest.raises(DatasetError, match="every shot is with a sample that no FID has"):
        screened(svs, spoilt)
