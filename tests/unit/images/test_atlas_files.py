"""An atlas that a study brings along: read, completed, and refused in words."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from pydantic import ValidationError

from commissure.errors import ConfigError
from commissure.func.parcels import parcels_on_grid
from commissure.images.atlas import schaefer
from commissure.images.atlas_files import chosen_atlas
from commissure.images.atlas_settings import AtlasFiles
from commissure.images.template import template

NAME = "tpl-MNI152NLin6Asym_atlas-Two_res-02_dseg"


@pytest.fixture
def files(tmp_path: Path) -> AtlasFiles:
    """Two labels in the left and right half of the template's white matter, 2 mm."""
    white = template("WM", resolution_mm=2.0)
    x_mm = white.affine[0, 3] + 2 * np.arange(white.shape[0])
    side = np.where(x_mm < 0, 3, 7)[:, None, None]
    data = (side * (np.asanyarray(white.dataobj) > 0.9)).astype(np.int16)
    nib.save(nib.Nifti1Image(data, white.affine), tmp_path / f"{NAME}.nii.gz")
    table(tmp_path, "index\tname\n0\tBackground\n3\tWest\n7\tEast\n")
    return AtlasFiles(
        image=str(tmp_path / f"{NAME}.nii.gz"), labels=str(tmp_path / f"{NAME}.tsv"), space=""
    )


def table(folder: Path, text: str) -> None:
    (folder / f"{NAME}.tsv").write_text(text)


def test_a_study_atlas_is_completed_from_its_image(files) -> None:
    atlas = chosen_atlas(files, schaefer(100), key="func.atlas")
    assert (atlas.name, atlas.space) == ("Two", "MNI152NLin6Asym")
    assert list(atlas.labels["hemisphere"]) == ["L", "R"]
    assert atlas.groups("tract") == {"West": [3], "East": [7]}
    assert atlas.labels["x_mm"].tolist() == pytest.approx([-28, 28], abs=6)


def test_it_takes_the_place_of_the_cortical_parcels(files) -> None:
    atlas = chosen_atlas(files, schaefer(100), key="func.atlas")
    grid = template("mask", resolution_mm=4.0)
    parcels = parcels_on_grid(atlas, grid.shape, grid.affine)
    assert parcels.names[:3] == ("West", "East", "Thalamus_L")
    assert (parcels.image == 1).sum() > 1000


def test_without_files_the_usual_atlas_is_used() -> None:
    assert chosen_atlas(AtlasFiles(), schaefer(100), key="func.atlas") is schaefer(100)
    with pytest.raises(ValidationError, match="belong together"):
        AtlasFiles(image="a.nii.gz")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("index\tname\n3\tWest\n", "does not name the labels 7"),
        ("index\tname\n3\tWest\n7\tEast\n9\tNorth\n", "no voxel of the labels 9"),
        ("index\tname\n3\tWest\n7\tWest\n", "more than once West"),
        ("index\tlabel\n3\tWest\n7\tEast\n", "has no name for every label"),
        ("index\tname\ttissue\n3\tWest\tGM\n7\tEast\tbone\n", "the tissue bone"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(files, tmp_path, text, says) -> None:
    table(tmp_path, text)
    with pytest.raises(ConfigError, match=says):
        chosen_atlas(files, schaefer(100), key="dwi.atlas")


def test_an_image_of_another_place_space_or_kind_is_refused(files, tmp_path) -> None:
    image = nib.Nifti1Image.from_filename(files.image)
    data = np.asanyarray(image.dataobj)
    for changed, says in (
        (nib.Nifti1Image(data, image.affine + np.eye(4, k=3) * 90), "% of the labelled voxels"),
        (nib.Nifti1Image(data * 0.5, image.affine), "whole numbers"),
    ):
        path = tmp_path / "tpl-MNI152NLin6Asym_atlas-Bad_dseg.nii.gz"
        nib.save(changed, path)
        wrong = files.model_copy(update={"image": str(path)})
        with pytest.raises(ConfigError, match=says):
            chosen_atlas(wrong, schaefer(100), key=f"func.atlas {says}")
    path = tmp_path / "atlas.nii.gz"
    nib.save(image, path)
    with pytest.raises(ConfigError, match="not said"):
        chosen_atlas(files.model_copy(update={"image": str(path)}), schaefer(100), key="a")
    other = files.model_copy(update={"space": "fsaverage"})
    with pytest.raises(ConfigError, match="is fsaverage"):
        chosen_atlas(other, schaefer(100), key="func.atlas")
