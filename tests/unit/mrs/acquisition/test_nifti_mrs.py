from collections.abc import Callable

import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.mrs.acquisition.nifti_mrs import Svs, read_svs, write_svs


def read(acquisition) -> Svs:
    scan = acquisition.scan
    return read_svs(scan.path, tuple(scan.sidecars), who=scan.who)


def test_shots_and_coils_come_in_order(write_press: Callable) -> None:
    svs = read(write_press(shots=12, coils=3))
    assert svs.fids.shape == (12, 3, 2048)
    assert (svs.te_s, svs.tr_s, svs.frequency_mhz) == (0.03, 2.0, 123.25)


@pytest.mark.parametrize("wrong", [30, 30.0, 35_000_000])
def test_echo_time_in_milliseconds(write_press: Callable, wrong: float) -> None:
    with pytest.raises(DatasetError) as caught:
        read(write_press(shots=1, coils=1, sidecar={"EchoTime": wrong}))
    sentence = str(caught.value)
    for part in (f"EchoTime is {wrong:.10g}", "sub-01_voi-ACC_svs.json", "0.005 to 0.5 s"):
        assert part in sentence


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"RepetitionTime": 2000}, "RepetitionTime is 2000"),
        ({"SpectrometerFrequency": 297.2}, "SpectrometerFrequency is 297.2 in"),
        ({"SpectralWidth": 4000.0}, "SpectralWidth is 4000"),
        ({"MagneticFieldStrength": 7}, "MagneticFieldStrength 7 T"),
        ({"ResonantNucleus": "31P"}, "ResonantNucleus is 31P in"),
        ({"EchoTime": "short"}, "EchoTime is short"),
        ({"EchoTime": None}, "EchoTime is absent"),
    ],
)
def test_sidecars_that_cannot_be(write_press: Callable, fields: dict, words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        read(write_press(shots=1, coils=1, sidecar=fields))


def test_carbon_is_no_proton(write_press: Callable) -> None:
    with pytest.raises(DatasetError, match="ResonantNucleus is 13C"):
        read(write_press(shots=1, coils=1, nucleus="13C"))


def test_nan_is_counted(write_press: Callable) -> None:
    def spoil(data: np.ndarray) -> np.ndarray:
        out = data.copy()
        out[0, 0, :5] = np.nan
        return out

    with pytest.raises(DatasetError, match="5 of 2048 samples that are NaN"):
        read(write_press(shots=1, coils=1, spoil=spoil))


def test_truncated_file(write_press: Callable) -> None:
    acquisition = write_press(shots=4, coils=2)
    path = acquisition.scan.path
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DatasetError, match="cannot be read"):
        read(acquisition)


def test_short_fid(write_press: Callable) -> None:
    with pytest.raises(DatasetError, match="FIDs of 100 points"):
        read(write_press(shots=1, coils=1, spoil=lambda data: data[..., :100]))


def test_writing_and_reading_agree_and_bytes_repeat(write_press: Callable, tmp_path) -> None:
    svs = read(write_press(shots=1, coils=1))
    for name in ("a_svs.nii.gz", "b_svs.nii.gz"):
        write_svs(svs, tmp_path / name)
    again = read_svs(tmp_path / "a_svs.nii.gz", (), who="x")
    np.testing.assert_allclose(again.fids, svs.fids, rtol=1e-6)
    assert again.te_s == svs.te_s
    assert (tmp_path / "a_svs.nii.gz").read_bytes() == (tmp_path / "b_svs.nii.gz").read_bytes()
