from collections.abc import Callable
from pathlib import Path

import pytest

from commissure.errors import DatasetError
from commissure.mrs.acquisition.nifti_mrs import read_svs
from commissure.mrs.builtin.basis.choice import sequence_of
from commissure.mrs.builtin.basis.sequences import PulseSequence
from commissure.mrs.builtin.preprocess import preprocess
from commissure.mrs.settings import MrsSettings


def test_other_sequences_have_no_basis(write_press: Callable, tmp_path: Path) -> None:
    for name in ("svs_HERMES_acc", "fid_LASER", "SPECIAL"):
        scan = write_press(shots=1, coils=1, sidecar={"ProtocolName": name}).scan
        with pytest.raises(DatasetError, match="which bases are simulated for"):
            preprocess(scan, tmp_path, anat=None, settings=MrsSettings())


def sequence(write_press: Callable, sidecar: dict, **settings: object) -> PulseSequence:
    scan = write_press(shots=1, coils=1, sidecar=sidecar).scan
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    return sequence_of(svs, MrsSettings(**settings), who="sub-01")


def test_the_sequence_is_read_from_the_metadata(write_press: Callable) -> None:
    named = {
        "svs_sLASER_acc": "slaser", "Semi-LASER": "slaser", "MEGA-PRESS GSH": "mega-press",
        "PRESS_35": "press", "": "press",
    }  # fmt: skip
    for name, wanted in named.items():
        assert sequence(write_press, {"ProtocolName": name}).name == wanted
    assert sequence(write_press, {"ProtocolName": "x"}, sequence="slaser").name == "slaser"


def test_steam_needs_its_mixing_time(write_press: Callable) -> None:
    with pytest.raises(DatasetError, match="give no MixingTime"):
        sequence(write_press, {"ProtocolName": "STEAM"})
    fields = {"ProtocolName": "STEAM", "MixingTime": 0.012}
    assert sequence(write_press, fields).mixing_s == 0.012
    assert sequence(write_press, {"ProtocolName": "STEAM"}, mixing_time_s=0.02).mixing_s == 0.02
