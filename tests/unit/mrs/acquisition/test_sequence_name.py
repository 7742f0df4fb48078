"""Names of sequences as vendors and sites give them."""

import pytest

from commissure.errors import DatasetError
from commissure.mrs.acquisition.sequence_name import (
    first_echo_s,
    meaning_of,
    mixing_time_s,
    named_sequence,
)

NAMES = {
    "press": (
        "svs_se", "%SiemensSeq%\\svs_se", "svs_se_30", "PRESS", "probe-p", "PROBE-P", "PROBE_P",
        "eja_svs_press", "SV_PRESS_35", "rm_press", "mrs-press", "probe-p_ach", "PRESS PAR 35",
        "repress7", "svs_press",
    ),
    "steam": (
        "svs_st", "%SiemensSeq%\\svs_st", "probe-s", "STEAM", "eja_svs_steam", "svs_st_vapor_643",
        "dkd_svs_st", "STEAM_metab", "SV_STEAM",
    ),
    "slaser": (
        "svs_slaser", "sLASER", "semi-LASER", "Semi_LASER", "eja_svs_slaser", "svs_slaser_dkd",
        "semiLASER", "s-LASER", "probe-sl", "PROBE-sL", "oslaser", "slaser_cni", "sLASER PAR 30",
    ),
    "mega-press": (
        "svs_edit", "MEGA-PRESS", "mpress", "eja_svs_mpress", "GABA PAR 68", "megapress",
        "MEGAPRESS_GSH", "gaba_edit", "gaba", "probe-p-mega_rml", "svs_edit_859f", "MEGA",
    ),
    None: (
        "HERMES", "HERCULES", "eja_svs_special", "LASER", "svs_laser", "MEGA-sLASER", "csi_se",
        "eja_svs_mslaser", "EPSI", "presscsi", "smm_svs_isthmus_gls", "hyper", "svs_herc", "jpress",
        "jpress_ac", "hbcd", "rm_special", "sSPECIAL",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wanted", NAMES)
def test_names_of_all_vendors_mean_a_sequence(wanted):
    for name in NAMES[wanted]:
        assert meaning_of(name) == (True, wanted), name


@pytest.mark.parametrize("name", ["", "svs", "acc", "T1 mprage", "physiology", "decision task"])
def test_other_names_mean_none(name):
    assert meaning_of(name) == (False, None)


def test_the_pulse_sequence_counts_before_the_protocol():
    named = named_sequence({"SequenceName": "svs_st", "ProtocolName": "press_acc"}, "x_svs.nii.gz")
    assert named.name == "steam" and "press_acc" in named.contradiction
    assert named_sequence({}, "sub-1_acq-press_svs.nii.gz").source == "the file's acq- 'press'"
    assert named_sequence({}, "sub-1_svs.nii.gz").name is None
    assert not named_sequence({"SequenceName": "svs_laser"}, "x").simulated


def test_the_first_echo_is_a_number_or_nothing():
    assert first_echo_s({"EchoTime1": 0.011}, te_s=0.030, who="x") == 0.011
    assert first_echo_s({"FirstEchoTime": "11 ms"}, te_s=0.030, who="x") is None
    assert first_echo_s({}, te_s=0.030, who="x") is None


def test_the_second_echo_gives_the_first():
    assert first_echo_s({"TE2": 0.019}, te_s=0.030, who="x") == pytest.approx(0.011)
    both = {"TE1": 0.011, "TE2": 0.019}
    assert first_echo_s(both, te_s=0.030, who="x") == 0.011
    with pytest.raises(DatasetError, match="0.011 and 0.019 s where the whole is 0.035 s"):
        first_echo_s(both, te_s=0.035, who="x")


def test_the_mixing_time_is_a_number_or_nothing():
    assert mixing_time_s({"TM": 0.01}) == 0.01
    assert mixing_time_s({"MixingTime": 0.032, "TM": 0.01}) == 0.032
    assert mixing_time_s({"MixingTime": "10 ms"}) is None
