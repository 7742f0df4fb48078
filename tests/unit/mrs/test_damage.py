"""Random damage to the files of a spectrum is refused in words, or changes nothing that matters."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.bad_input.mutations import mutations, planted

from commissure.dataset.index import build_index
from commissure.dataset.tree import tree_of
from commissure.errors import CommissureError
from commissure.mrs.builtin.preprocess import preprocess
from commissure.mrs.measure import measure
from commissure.mrs.settings import MrsSettings
from commissure.names import Scan
from commissure.rows import read_markers

SETTINGS = MrsSettings()


def measured(scan: Scan, folder: Path) -> tuple[dict[str, float], dict]:
    preprocess(scan, folder, anat=None, settings=SETTINGS)
    measure(scan, folder, anat=None, settings=SETTINGS)
    table = read_markers(folder / scan.derivative("markers", ".tsv"))
    record = json.loads((folder / scan.derivative("qc", ".json")).read_text())
    return dict(zip(table["marker"], table["value"].astype(float), strict=True)), record


@pytest.mark.parametrize(("seed", "count"), [(11, 8), pytest.param(12, 48, marks=pytest.mark.slow)])
def test_damage_at_random(write_press: Callable, tmp_path: Path, seed: int, count: int) -> None:
    write_press(shots=8, coils=2)
    source = tmp_path / "whole"
    source.mkdir()
    (tmp_path / "sub-01").rename(source / "sub-01")

    def scan_in(folder: Path) -> Scan:
        return build_index(folder, tree_of(folder))[0].scan_in(folder)

    truth, record = measured(scan_in(source), tmp_path / "truth")
    bounds = {name.lower(): bound / 100 for name, bound in record["crlb_percent"].items()}
    for number, mutation in enumerate(mutations(source, count=count, seed=seed)):
        folder = tmp_path / str(number)
        planted(mutation, source, folder)
        try:
            found, _ = measured(scan_in(folder), folder / "out")
        except CommissureError as error:
            assert str(error).endswith("."), mutation
            continue
        for marker, value in truth.items():
            if marker.endswith("_tcr"):
                noise = (bounds[marker.removesuffix("_tcr")] + bounds["tcr"]) * value
                assert found[marker] == pytest.approx(value, abs=noise), (mutation, marker)
