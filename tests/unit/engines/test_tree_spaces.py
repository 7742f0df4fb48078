"""Trees in other template spaces: brought over by a TemplateFlow home, else said to be approximate."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from tests.tool_trees import bold_run, raw_scan, t1w_of, tree_of, write_image

from commissure.engines.trees.anatomy import AdoptedAnat, adopt_anatomy
from commissure.engines.trees.bold import AdoptedFunc, adopt_bold
from commissure.engines.trees.settings import TreeSettings
from commissure.engines.trees.spaces import way, way_to_known
from commissure.errors import DatasetError
from commissure.images.registration import moved_points
from commissure.images.template import TEMPLATE, template
from commissure.images.transforms import write_chain, write_warp

ASYM = "MNI152NLin2009cAsym"
MM = 6.0

#: How far the brains of the other spaces lie from the template's, mm to the front.
SHIFT = 12.0


def shifted(path, mm):
    """A composite file that takes points so far to the front, as a warp with an affine map."""
    matrix = np.eye(4)
    matrix[1, 3] = mm
    path.parent.mkdir(parents=True, exist_ok=True)
    write_warp(np.zeros((3, 4, 4, 4), np.float32), np.diag([60.0, 60, 60, 1]), path, after=matrix)
    return path


def home(folder, *ways):
    """A TemplateFlow home: by start, target and how far points are taken."""
    for start, target, mm in ways:
        name = f"tpl-{target}_from-{start}_mode-image_xfm.h5"
        shifted(folder / f"tpl-{target}" / name, mm)
    return str(folder)


def run_in(root, space):
    """A run whose brain is the template's, moved to the front."""
    bold_run(root, "sub-01_task-rest", space=f"space-{space}")
    mask = template("mask", resolution_mm=MM)
    affine = mask.affine.copy()
    affine[1, 3] += SHIFT
    data = np.asanyarray(mask.dataobj)
    stem = root / f"sub-01/func/sub-01_task-rest_space-{space}"
    series = 100 * data[..., None] + np.arange(12)
    for end, values in (
        ("_desc-preproc_bold", series),
        ("_desc-brain_mask", data),
        ("_boldref", 100 * data),
    ):
        write_image(stem.with_name(f"{stem.name}{end}.nii.gz"), affine=affine, data=values)


def adopted(tmp_path, root, flow=""):
    scan = raw_scan(tmp_path, "sub-01_task-rest_bold")
    settings = TreeSettings(tree=str(root), templateflow=flow, resolution_mm=MM)
    files = AdoptedFunc.of_step(scan, tmp_path / "out", anat=None, settings=settings)
    adopt_bold(scan, tmp_path / "out", anat=None, settings=settings)
    assert files.absent() == []
    return files, json.loads(files.sidecar.read_text())


def dice(mask):
    brain = np.asanyarray(template("mask", resolution_mm=MM).dataobj) > 0
    return 2 * (mask & brain).sum() / (mask.sum() + brain.sum())


class TestBold:
    @pytest.mark.parametrize(
        ("space", "start"),
        [(ASYM, ASYM), (f"{ASYM}_res-2", ASYM), ("OASIS30ANTs", "OASIS30ANTs"),
         ("MNIInfant_cohort-3", "MNIInfant+3")],
    )  # fmt: skip
    def test_a_transform_brings_the_run_to_the_parcels(self, tmp_path, space, start):
        root = tree_of(tmp_path)
        run_in(root, space)
        flow = home(tmp_path / "flow", (start, TEMPLATE, SHIFT))
        files, told = adopted(tmp_path, root, flow)
        assert (files.space, told["SpatialReference"], told["approximate"]) == (
            TEMPLATE, TEMPLATE, False,
        )  # fmt: skip
        assert f"brought from {start} to {TEMPLATE} by tpl-" in told["Notes"][0]
        mask = np.asanyarray(nib.load(files.mask).dataobj) > 0
        assert dice(mask) > 0.98
        series = nib.load(files.series)
        assert series.shape[:3] == mask.shape and series.shape[3] == 12
        inside = np.asanyarray(series.dataobj)[mask & (np.roll(mask, 1, 1))]
        np.testing.assert_allclose(np.median(inside, axis=0), 100 + np.arange(12), atol=0.5)

    def test_without_one_a_known_space_stays_and_is_said_to_be_approximate(self, tmp_path):
        root = tree_of(tmp_path)
        run_in(root, ASYM)
        files, told = adopted(tmp_path, root)
        assert (files.space, told["approximate"]) == (ASYM, True)
        assert told["Notes"] == []

    def test_what_lies_in_the_space_of_the_parcels_is_exact(self, tmp_path):
        root = tree_of(tmp_path)
        for space in (ASYM, TEMPLATE):
            bold_run(root, "sub-01_task-rest", space=f"space-{space}")
        files, told = adopted(tmp_path, root)
        assert (files.space, told["approximate"], told["Notes"]) == (TEMPLATE, False, [])

    def test_a_way_to_another_known_space_is_still_approximate(self, tmp_path):
        root = tree_of(tmp_path)
        run_in(root, "OASIS30ANTs")
        flow = home(tmp_path / "flow", ("OASIS30ANTs", ASYM, SHIFT))
        files, told = adopted(tmp_path, root, flow)
        assert (files.space, told["approximate"]) == (ASYM, True)
        assert "brought from OASIS30ANTs" in told["Notes"][0]

    @pytest.mark.parametrize("space", ["OASIS30ANTs", "MNIInfant_cohort-3", "MNIPediatricAsym"])
    def test_a_space_that_nothing_leads_out_of_is_refused_by_name(self, tmp_path, space):
        root = tree_of(tmp_path)
        run_in(root, space)
        name = space.replace("_cohort-", r"\+")
        with pytest.raises(DatasetError, match=rf"{name} only; .*from-{name}_mode-image_xfm.h5"):
            adopted(tmp_path, root, home(tmp_path / "flow", ("Other", TEMPLATE, SHIFT)))
        assert not list((tmp_path / "out").glob("*"))

    def test_a_file_that_leads_the_other_way_is_refused(self, tmp_path):
        root = tree_of(tmp_path)
        run_in(root, ASYM)
        flow = home(tmp_path / "flow", (ASYM, TEMPLATE, -SHIFT))
        with pytest.raises(DatasetError, match="the brain lies worse"):
            adopted(tmp_path, root, flow)
        assert not list((tmp_path / "out").glob("*"))


class TestAnatomy:
    def adopted(self, tmp_path, root, flow=""):
        scan = raw_scan(tmp_path, "sub-01_T1w", modality="anat")
        settings = TreeSettings(tree=str(root), templateflow=flow)
        files = AdoptedAnat.of_step(scan, tmp_path / "out", anat=None, settings=settings)
        adopt_anatomy(scan, tmp_path / "out", settings=settings)
        assert files.absent() == []
        sidecar = files.preproc.with_name("sub-01_desc-preproc_T1w.json")
        return files, json.loads(sidecar.read_text())

    def tree(self, tmp_path, space):
        root = tree_of(tmp_path)
        t1w_of(root, template=space)
        for start, end, mm in (("T1w", space, 5.0), (space, "T1w", -5.0)):
            shifted(root / f"sub-01/anat/sub-01_from-{start}_to-{end}_mode-image_xfm.h5", mm)
        return root

    @pytest.mark.parametrize("space", [ASYM, "MNIInfant+3"])
    def test_two_transforms_become_one(self, tmp_path, space):
        root = self.tree(tmp_path, space)
        flow = home(tmp_path / "flow", (space, TEMPLATE, 7.0), (TEMPLATE, space, -7.0))
        files, told = self.adopted(tmp_path, root, flow)
        assert (files.template, told["approximate"]) == (TEMPLATE, False)
        assert "one after the other" in told["Notes"][0]
        point = np.array([[3.0, -4.0, 5.0]])
        for file, mm in ((files.to_template, 12.0), (files.from_template, -12.0)):
            np.testing.assert_allclose(moved_points(point, file) - point, [[0, mm, 0]], atol=1e-4)

    def test_one_direction_alone_is_not_enough(self, tmp_path):
        root = self.tree(tmp_path, ASYM)
        files, told = self.adopted(tmp_path, root, home(tmp_path / "flow", (ASYM, TEMPLATE, 7.0)))
        assert (files.template, told["approximate"]) == (ASYM, True)

    def test_a_space_that_nothing_leads_out_of_is_half_a_tree(self, tmp_path):
        root = self.tree(tmp_path, "MNIInfant+3")
        with pytest.raises(DatasetError, match="no transform to one of MNI152NLin2009cAsym"):
            self.adopted(tmp_path, root)


def test_ways_are_found_by_start_and_target(tmp_path):
    flow = home(tmp_path, ("MNIInfant+3", ASYM, 1.0), ("MNIInfant+30", TEMPLATE, 1.0))
    assert way(flow, "MNIInfant", ASYM) is None and way("", "MNIInfant+3", ASYM) is None
    assert way_to_known(flow, "MNIInfant+3").target == ASYM
    assert way_to_known(flow, "MNIInfant+30").target == TEMPLATE


def test_a_chain_reads_the_names_of_older_files(tmp_path):
    """ITK misspelled the parameters' name once, and ANTs writes doubles."""
    import h5py

    first, second = shifted(tmp_path / "a.h5", 5.0), shifted(tmp_path / "b.h5", 7.0)
    with h5py.File(second, "r+") as file:
        group = file["TransformGroup"]
        for name in ("1", "2"):
            for kind in ("", "Fixed"):
                group[name].move(f"Transform{kind}Parameters", f"Tranform{kind}Parameters")
            kind = group[name]["TransformType"][0].decode().replace("float", "double")
            del group[name]["TransformType"]
            group[name].create_dataset("TransformType", data=[kind], dtype=h5py.string_dtype())
    point = np.array([[1.0, 2.0, 3.0]])
    whole = write_chain(first, second, tmp_path / "c.h5")
    np.testing.assert_allclose(moved_points(point, whole) - point, [[0, 12.0, 0]], atol=1e-4)
