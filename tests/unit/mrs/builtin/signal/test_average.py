from collections.abc import Callable

import numpy as np
import pytest

from commissure.mrs.acquisition.nifti_mrs import read_svs
from commissure.mrs.builtin.signal.average import AveragedSpectrum, averaged_spectrum
from commissure.mrs.builtin.signal.water_reference import read_water


def averaged(acquisition) -> AveragedSpectrum:
    scan = acquisition.scan
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    return averaged_spectrum(svs, read_water(scan, svs).svs)


def test_steps_come_in_the_order_of_the_consensus(write_press: Callable) -> None:
    acquisition = write_press(shots=16, coils=2)
    spectrum = averaged(acquisition)
    assert [step["step"] for step in spectrum.steps] == [
        "noise of the reference", "coil combination", "orientation", "alignment", "shot rejection",
        "eddy currents", "residual water", "places of lines", "reference and phase",
    ]  # fmt: skip
    assert np.flatnonzero(~spectrum.kept).tolist() == list(acquisition.bad)
    assert spectrum.svs.fids.shape == (1, 1, 2048)
    assert spectrum.acquisition["StoredShots"] == 16


@pytest.mark.parametrize(
    ("shots", "step", "reason"),
    [
        (1, "alignment", "the file holds one averaged spectrum"),
        (4, "shot rejection", "4 shots are too few to tell unlike ones"),
        (4, "coil combination", "the file holds one channel"),
        (4, "eddy currents", "the dataset has no water reference"),
    ],
)
def test_a_step_that_is_not_applied_says_why(
    write_press: Callable, shots: int, step: str, reason: str
) -> None:
    spectrum = averaged(write_press(shots=shots, coils=1, water=False))
    by_name = {record["step"]: record for record in spectrum.steps}
    assert by_name[step]["applied"] is False
    assert by_name[step]["reason"] == reason
