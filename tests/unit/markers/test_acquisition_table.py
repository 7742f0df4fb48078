"""How images were acquired: counts from sidecars, and nothing else of them."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np

from commissure.dataset.index import COLUMNS, Entry
from commissure.markers.acquisition_table import acquisition_table


def test_sidecars_give_scanner_timing_and_field_map(tmp_path):
    folder = tmp_path / "sub-01/func"
    folder.mkdir(parents=True)
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.float32), np.diag([2, 2, 3.5, 1]))
    nib.save(image, folder / "sub-01_task-rest_bold.nii.gz")
    (folder / "sub-01_task-rest_bold.json").write_text(
        json.dumps({"Manufacturer": "Siemens", "ManufacturersModelName": "Prisma",
                    "SoftwareVersions": "XA30", "EchoTime": 0.03, "RepetitionTime": 2.5,
                    "SliceTiming": [0, 1], "PatientName": "PLANTED", "StationName": "HOSTPLANT"})
    )  # fmt: skip
    entries = [
        Entry("sub-01", "", "func", "sub-01/func/sub-01_task-rest_bold.nii.gz",
              ("sub-01/func/sub-01_task-rest_bold.json",), {"epi": "x", "epi_json": "y"}),
        Entry("sub-02", "", "anat", "sub-02/anat/sub-02_T1w.nii.gz", ("sub-02/gone.json",)),
    ]  # fmt: skip
    manifest = tmp_path / "batch.tsv"
    rows = ["\t".join(e.cells()[:8] + e.cells()[8:]).replace('"', '""') for e in entries]
    rows = ["\t".join(f'"{cell}"' for cell in line.split("\t")) for line in rows]
    manifest.write_text("\n".join(["\t".join(COLUMNS), *rows]) + "\n")
    table = acquisition_table([manifest], tmp_path)
    first = table.iloc[0]
    assert first[["manufacturer", "model", "software"]].tolist() == ["Siemens", "Prisma", "XA30"]
    assert (first["te_ms"], first["tr_s"], first["voxel_mm"]) == (30.0, 2.5, 3.5)
    assert first["slice_timing"] and first["field_map"]
    assert table.iloc[1][["manufacturer", "voxel_mm"]].isna().all()
    assert "PLANT" not in table.to_csv()


def test_a_study_of_tables_has_none():
    assert acquisition_table([], None).empty
