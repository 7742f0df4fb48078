from collections.abc import Callable

from commissure.mrs.acquisition.description import (
    acquisition_description,
    eddy_currents_corrected,
    told_averages,
)
from commissure.mrs.acquisition.nifti_mrs import read_svs


def test_what_the_file_does_not_say_is_none(write_press: Callable) -> None:
    sidecar = {"Manufacturer": "Siemens", "NumberOfTransients": 16, "ShimmingTechnique": "n/a"}
    scan = write_press(shots=4, coils=2, sidecar=sidecar).scan
    description = acquisition_description(read_svs(scan.path, tuple(scan.sidecars), who=scan.who))
    assert description["FieldT"] == 2.89
    assert description["VoxelMm"] == [20.0, 20.0, 20.0]
    assert (description["StoredShots"], description["StoredCoils"]) == (4, 2)
    assert (description["Manufacturer"], description["Averages"]) == ("Siemens", 16)
    assert description["Shimming"] is None
    assert description["Coil"] is None


def test_what_a_header_says_was_done_to_the_eddy_currents() -> None:
    step = {"Time": "2026-03-02T10:00:00", "Program": "x", "Method": "Eddy current correction"}
    assert eddy_currents_corrected({"ProcessingApplied": [{"Method": "Phasing"}, step]})
    assert eddy_currents_corrected({"ProcessingApplied": step})
    assert not eddy_currents_corrected({"ProcessingApplied": [{"Method": "Phasing"}]})
    assert not eddy_currents_corrected({})


def test_told_averages_are_a_number_or_nothing() -> None:
    assert told_averages({"NumberOfTransients": 128}) == 128
    assert told_averages({"NumberOfAverages": 8.0}) == 8
    assert told_averages({"NumberOfAverages": "128"}) is None
    assert told_averages({}) is None
