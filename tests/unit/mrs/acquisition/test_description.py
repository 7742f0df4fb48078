from collections.abc import Callable

from commissure.mrs.acquisition.description import acquisition_description
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
