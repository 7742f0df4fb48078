import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.mrs.acquisition.description import acquisition_description
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


def test_a_flipped_bit_in_the_packed_file_is_found_by_its_checksum(write_press: Callable) -> None:
    acquisition = write_press(shots=4, coils=2)
    path = acquisition.scan.path
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="cannot be read"):
        read(acquisition)


def test_short_fid(write_press: Callable) -> None:
    with pytest.raises(DatasetError, match="FIDs of 100 points"):
        read(write_press(shots=1, coils=1, spoil=lambda data: data[..., :100]))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda data: data.real + 0j, "holds the real part of its FIDs only; complex FIDs"),
        (np.abs, "holds the real part of its FIDs only"),
        (lambda data: 1j * data.imag, "holds the imaginary part of its FIDs only"),
    ],
)
def test_half_of_a_complex_number_is_refused(write_press: Callable, spoil, words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        read(write_press(shots=2, coils=1, spoil=spoil))


@pytest.mark.parametrize(("filled", "points"), [(1024, 1024), (3, 2048)])
def test_zeros_that_fill_the_fids_up_are_no_samples(
    write_press: Callable, filled: int, points: int
) -> None:
    def spoil(data: np.ndarray) -> np.ndarray:
        out = data.copy()
        out[..., -filled:] = 0
        return out

    assert read(write_press(shots=4, coils=2, spoil=spoil)).points == points


def rewritten(path: Path, patch: Callable[[bytearray], None]) -> None:
    content = bytearray(gzip.decompress(path.read_bytes()))
    patch(content)
    path.write_bytes(gzip.compress(bytes(content)))


def dimensions(content: bytearray) -> None:
    struct.pack_into("<8h", content, 40, 7, 1, 1, 1, 32767, 32767, 32767, 1)


def offset(content: bytearray) -> None:
    struct.pack_into("<f", content, 108, 1e-20)


def endless_place(content: bytearray) -> None:
    struct.pack_into("<2h", content, 252, 0, 1)
    struct.pack_into("<4f", content, 280, float("inf"), 0, 0, 0)


def scaled(content: bytearray) -> None:
    struct.pack_into("<2f", content, 112, 2.0, 0.0)


def two_places(content: bytearray) -> None:
    struct.pack_into("<f", content, 272, 30.0)


def no_place(content: bytearray) -> None:
    struct.pack_into("<2h", content, 252, 0, 0)


def flat_voxel(content: bytearray) -> None:
    struct.pack_into("<2h", content, 252, 0, 1)
    struct.pack_into("<4f", content, 280, 1e-6, 0, 0, 0)
    struct.pack_into("<4f", content, 296, 1, 1e-6, 0, 0)


def nested_extension(content: bytearray) -> None:
    size = int(struct.unpack_from("<f", content, 108)[0])
    text = b"[" * 50_000 + b"]" * 50_000
    extension = struct.pack("<2i", (len(text) + 8 + 15) // 16 * 16, 44) + text
    extension += b" " * (-len(extension) % 16)
    content[352:size] = extension
    struct.pack_into("<f", content, 108, 352 + len(extension))


def no_nucleus(content: bytearray) -> None:
    place = content.index(b"ResonantNucleus")
    content[place : place + 1] = b"S"


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        (dimensions, "declares .* voxels, .* bytes in all, and it holds"),
        (offset, "cannot be read"),
        (endless_place, "cannot be read|the place of the voxel"),
        (scaled, "scl_slope and scl_inter .* are 2 and 0; 1 and 0"),
        (two_places, "sform and qform in the header .* mm apart; one place"),
        (flat_voxel, "the place of the voxel in the header"),
        (nested_extension, "cannot be read .*RecursionError"),
        (no_nucleus, "cannot be read|no NIfTI-MRS"),
    ],
)
def test_a_damaged_header_is_refused_in_words(write_press: Callable, patch, words: str) -> None:
    acquisition = write_press(shots=2, coils=1)
    rewritten(acquisition.scan.path, patch)
    with pytest.raises(DatasetError, match=words):
        read(acquisition)


def test_a_header_that_gives_no_place_is_known_to_give_none(write_press: Callable) -> None:
    acquisition = write_press(shots=2, coils=1)
    assert read(acquisition).placed
    rewritten(acquisition.scan.path, no_place)
    svs = read(acquisition)
    assert not svs.placed
    assert acquisition_description(svs)["PlaceKnown"] is False


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"EchoTime": 10**400}, "EchoTime is inf"),
        ({"MagneticFieldStrength": "3T"}, "MagneticFieldStrength is '3T'"),
        ({"MagneticFieldStrength": [3, 3]}, "MagneticFieldStrength is .* a number in tesla"),
        ({"RepetitionTime": True}, "RepetitionTime is True"),
    ],
)
def test_fields_of_another_kind_are_refused(write_press: Callable, fields, words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        read(write_press(shots=1, coils=1, sidecar=fields))


def test_writing_and_reading_agree_and_bytes_repeat(write_press: Callable, tmp_path) -> None:
    svs = read(write_press(shots=1, coils=1))
    for name in ("a_svs.nii.gz", "b_svs.nii.gz"):
        write_svs(svs, tmp_path / name)
    again = read_svs(tmp_path / "a_svs.nii.gz", (), who="x")
    np.testing.assert_allclose(again.fids, svs.fids, rtol=1e-6)
    assert again.te_s == svs.te_s
    assert (tmp_path / "a_svs.nii.gz").read_bytes() == (tmp_path / "b_svs.nii.gz").read_bytes()


@pytest.mark.parametrize(
    ("timings", "refused"),
    [
        ([0.03, 0.03, 0.03, 0.08], True),
        ({"start": 0.03, "increment": 0.01}, True),
        ([0.03] * 4, False),
        ({"start": 0.03, "increment": 0.0}, False),
    ],
)
def test_shots_of_two_echo_times(write_press: Callable, timings: object, refused: bool) -> None:
    acquisition = write_press(shots=4, coils=2)
    path = acquisition.scan.path
    image = nib.load(path)
    fields = json.loads(image.header.extensions[0].get_content())
    fields["dim_6_header"] = {"EchoTime": timings}
    header = image.header.copy()
    header.extensions.clear()
    header.extensions.append(nib.nifti1.Nifti1Extension(44, json.dumps(fields).encode()))
    changed = type(image)(np.asarray(image.dataobj), image.affine, header)
    path.unlink()
    nib.save(changed, path)
    if not refused:
        assert read(acquisition).fids.shape == (4, 2, 2048)
        return
    with pytest.raises(DatasetError, match="EchoTime differs along DIM_DYN of sub-01_voi-ACC_svs"):
        read(acquisition)
