"""Names of the anatomical derivatives, and in which template space they are found."""

from __future__ import annotations

from pathlib import Path

from commissure.images.anat_files import AnatFiles
from commissure.images.template import SPACES, TEMPLATE
from commissure.names import Scan

SCAN = Scan(Path("sub-01_ses-1_T1w.nii.gz"), {"sub": "01", "ses": "1"}, "T1w")


def test_names_follow_the_contract() -> None:
    files = AnatFiles.of(SCAN, Path("anat"))
    stem = "sub-01_ses-1"
    assert files.preproc.name == f"{stem}_desc-preproc_T1w.nii.gz"
    assert files.mask.name == f"{stem}_desc-brain_mask.nii.gz"
    assert files.dseg.name == f"{stem}_dseg.nii.gz"
    assert [path.name for path in files.tissues] == [
        f"{stem}_label-{tissue}_probseg.nii.gz" for tissue in ("GM", "WM", "CSF")
    ]
    assert files.to_template.name == f"{stem}_from-T1w_to-{TEMPLATE}_mode-image_xfm.h5"
    assert files.from_template.name == f"{stem}_from-{TEMPLATE}_to-T1w_mode-image_xfm.h5"
    assert {path.suffix for path in files.sidecars} == {".json"}
    assert len(files.sidecars) == len(set(files.sidecars)) == 9


def test_a_set_is_complete_without_its_sidecars_and_found_in_any_space(tmp_path) -> None:
    assert AnatFiles.in_any_space(SCAN, tmp_path).template == SPACES[0]
    for space in reversed(SPACES):
        files = AnatFiles.of(SCAN, tmp_path, template=space)
        assert not files.complete()
        for name, paths in files.files().items():
            if name != "sidecars":
                for path in paths:
                    path.touch()
        assert files.complete()
        assert AnatFiles.in_any_space(SCAN, tmp_path).template == space
