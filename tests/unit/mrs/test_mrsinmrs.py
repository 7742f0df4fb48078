import json
from collections.abc import Callable
from pathlib import Path

from commissure.mrs.builtin.preprocess import preprocess
from commissure.mrs.measure import measure
from commissure.mrs.settings import MrsSettings


def test_the_record_fills_the_reporting_table(write_press: Callable, tmp_path: Path) -> None:
    sidecar = {
        "Manufacturer": "Siemens", "PulseSequenceType": "PRESS", "NumberOfTransients": 16,
        "WaterSuppressionType": "VAPOR",
    }  # fmt: skip
    scan = write_press(shots=16, coils=2, sidecar=sidecar).scan
    preprocess(scan, tmp_path, anat=None, settings=MrsSettings())
    measure(scan, tmp_path, anat=None, settings=MrsSettings())
    record = json.loads((tmp_path / scan.derivative("qc", ".json")).read_text())
    found = {row["item"]: row["value"] for row in record["mrsinmrs"]}
    expected = {
        "Field strength": "2.89 T", "Manufacturer": "Siemens", "Scanner model": None,
        "Pulse sequence": "PRESS", "Volume of interest": "ACC", "Nominal size": "20 x 20 x 20",
        "Repetition and echo time": "TR 2000 ms, TE 30 ms", "Averages": 16, "Shots stored": 16,
        "Coils stored": 2, "Sampling": "2000 Hz, 2048 points", "Water suppression": "VAPOR",
        "Shimming": None, "Output": "ratios to tCr", "Share of shots kept": 15 / 16,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    assert 0 < found["Cramér-Rao bound of Glu"] < 10
    sections = [row["section"] for row in record["mrsinmrs"]]
    assert sections == sorted(sections)
    assert len(set(sections)) == 4
