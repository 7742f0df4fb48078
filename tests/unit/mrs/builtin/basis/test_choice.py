from collections.abc import Callable
from pathlib import Path

import pytest

from commissure.errors import DatasetError
from commissure.mrs.acquisition.nifti_mrs import read_svs
from commissure.mrs.builtin.basis.choice import SequenceChoice, sequence_of
from commissure.mrs.builtin.preprocess import preprocess
from commissure.mrs.settings import MrsSettings


def test_other_sequences_have_no_basis(write_press: Callable, tmp_path: Path) -> None:
    for name in ("svs_HERMES_acc", "fid_LASER", "SPECIAL"):
        scan = write_press(shots=1, coils=1, sidecar={"PulseSequenceType": name}).scan
        with pytest.raises(DatasetError, match="which bases are simulated for"):
            preprocess(scan, tmp_path, anat=None, settings=MrsSettings())


def choice(write_press: Callable, sidecar: dict, **settings: object) -> SequenceChoice:
    fields = {"PulseSequenceType": "", **sidecar}
    scan = write_press(shots=1, coils=1, sidecar=fields).scan
    svs = read_svs(scan.path, tuple(scan.sidecars), who=scan.who)
    return sequence_of(svs, MrsSettings(**settings), who="sub-01")


def test_the_sequence_is_read_from_the_metadata(write_press: Callable) -> None:
    named = {
        "svs_sLASER_acc": "slaser", "Semi-LASER": "slaser", "MEGA-PRESS GSH": "mega-press",
        "PRESS_35": "press", "svs_se": "press",
    }  # fmt: skip
    for name, wanted in named.items():
        chosen = choice(write_press, {"ProtocolName": name})
        assert (chosen.sequence.name, chosen.name_from) == (wanted, "metadata")
    chosen = choice(write_press, {"ProtocolName": "x"}, sequence="slaser")
    assert (chosen.sequence.name, chosen.name_from) == ("slaser", "settings")


def test_a_sequence_that_nothing_names_is_press_by_assumption(write_press: Callable) -> None:
    chosen = choice(write_press, {"ProtocolName": "acc 1"})
    assert (chosen.sequence.name, chosen.name_from) == ("press", "assumed")
    assert chosen.first_echo_from == "assumed" and chosen.sequence.first_echo_s is None


def test_fields_that_name_two_sequences_contradict_each_other(write_press: Callable) -> None:
    fields = {"SequenceName": "svs_st", "ProtocolName": "PRESS_acc", "MixingTime": 0.01}
    chosen = choice(write_press, fields)
    assert chosen.sequence.name == "steam" and "PRESS_acc" in chosen.contradiction


def test_the_first_echo_is_taken_from_settings_then_from_the_header(write_press: Callable) -> None:
    fields = {"ProtocolName": "PRESS", "FirstEchoTime": 0.011}
    chosen = choice(write_press, fields)
    assert (chosen.sequence.first_echo_s, chosen.first_echo_from) == (0.011, "metadata")
    chosen = choice(write_press, fields, first_echo_s=0.013)
    assert (chosen.sequence.first_echo_s, chosen.first_echo_from) == (0.013, "settings")
    with pytest.raises(DatasetError, match=r"first echo of 11 s"):
        choice(write_press, fields | {"FirstEchoTime": 11})


def test_steam_needs_its_mixing_time(write_press: Callable) -> None:
    with pytest.raises(DatasetError, match="give no MixingTime"):
        choice(write_press, {"ProtocolName": "STEAM"})
    fields = {"ProtocolName": "STEAM", "MixingTime": 0.012}
    assert choice(write_press, fields).sequence.mixing_s == 0.012
    chosen = choice(write_press, {"ProtocolName": "STEAM"}, mixing_time_s=0.02)
    assert chosen.sequence.mixing_s == 0.02
    with pytest.raises(DatasetError, match="mixing time of 12 s"):
        choice(write_press, fields | {"MixingTime": 12})
