"""The template's own brain, from a raw T1w image to markers."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from commissure.anat.builtin.preprocess import preprocess
from commissure.anat.derivatives import AnatMeasured
from commissure.anat.measure import measure
from commissure.anat.settings import AnatMeasureSettings, AnatPreprocessSettings
from commissure.images.anat_files import AnatFiles
from commissure.images.template import TEMPLATE, template
from commissure.rows import read_markers

pytestmark = pytest.mark.slow


def test_what_is_declared_is_what_is_written(as_scan, tmp_path) -> None:
    brain = template("T1w", resolution_mm=1.5)
    inside = np.asanyarray(template("mask", resolution_mm=1.5).dataobj) > 0
    noise = np.random.default_rng(4).normal(0, 10, brain.shape)
    data = np.where(inside, 1000 * np.asanyarray(brain.dataobj) + noise, 0)
    scan, folder = as_scan(data.astype(np.float32), brain.affine), tmp_path / "anat"
    preprocess(scan, folder, settings=AnatPreprocessSettings(registration_resolution_mm=4.0))
    measure(scan, folder, settings=AnatMeasureSettings(thickness=True))

    declared = AnatFiles.of(scan, folder), AnatMeasured.of(scan, folder)
    on_disk = {path for path in folder.rglob("*") if path.is_file()}
    assert on_disk == {path for files in declared for path in files.present()}
    assert not [path for files in declared for path in files.absent()]
    assert all(path.exists() for path in declared[0].sidecars)

    rows = read_markers(declared[1].markers).set_index(["marker", "region"])["value"]
    assert (
        rows["tiv", "head"]
        == rows["volume", "TIV"]
        == pytest.approx(1.5**3 * inside.sum(), rel=0.02)
    )
    left, right = (rows["volume", f"Hippocampus_{side}"] for side in "LR")
    assert left == pytest.approx(right, rel=0.3)
    image = np.asanyarray(nib.load(declared[1].thickness).dataobj)
    assert 1.5 < np.median(image[image > 0]) < rows["thickness", "cortex_L"] + 1 < 6
    record = json.loads(declared[1].quality.read_text())
    assert record["space"] == TEMPLATE
    assert {check["name"] for check in record["checks"]} >= {
        "tiv_l",
        "cnr_gm_wm",
        "thickness_coverage",
    }
