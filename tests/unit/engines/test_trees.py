"""Files of fMRIPrep and QSIPrep come under our names, or are refused in words."""

from __future__ import annotations

import itertools
import json

import nibabel as nib
import numpy as np
import pytest
from tests.tool_trees import MASK, SPACE, bold_run, dwi_series, t1w_of, write_image
from tests.tool_trees import raw_scan as raw
from tests.tool_trees import tree_of as tree

from commissure.dwi.gradients import read_gradients
from commissure.engines.trees.anatomy import AdoptedAnat, adopt_anatomy
from commissure.engines.trees.bold import AdoptedFunc, adopt_bold
from commissure.engines.trees.diffusion import AdoptedDwi, adopt_diffusion
from commissure.engines.trees.settings import TreeSettings
from commissure.engines.trees.tree import described, fingerprint, version_note, versions_note
from commissure.errors import DatasetError


def adopted(scan, root, out, **options):
    settings = TreeSettings(tree=str(root), **options)
    files = AdoptedFunc.of_step(scan, out, anat=None, settings=settings)
    adopt_bold(scan, out, anat=None, settings=settings)
    assert files.absent() == []
    return files


class TestBold:
    @pytest.mark.parametrize(
        ("name", "label", "where", "space"),
        [
            ("sub-01_task-rest_bold", "sub-01_task-rest", "func", f"space-{SPACE}"),
            ("sub-01_task-rest_bold", "sub-01_task-rest", "func", f"space-{SPACE}_res-2"),
            ("sub-01_task-rest_run-01_bold", "sub-01_task-rest_run-1", "func", f"space-{SPACE}"),
            ("sub-01_ses-b_task-rest_bold", "sub-01_ses-b_task-rest", "ses-b/func",
             "space-MNI152NLin6Asym_res-02"),
            ("sub-01_task-rest_echo-1_bold", "sub-01_task-rest", "func", f"space-{SPACE}"),
        ],
    )  # fmt: skip
    def test_names_of_the_versions(self, tmp_path, name, label, where, space):
        scan, root = raw(tmp_path, name), tree(tmp_path)
        bold_run(root, label, where=where, space=space)
        files = adopted(scan, root, tmp_path / "out")
        assert files.space == space.split("_")[0].removeprefix("space-")
        source = next((root / "sub-01" / where).glob("*desc-preproc_bold.nii.gz"))
        assert files.series.read_bytes() == source.read_bytes()
        told = json.loads(files.sidecar.read_text())
        assert told["GeneratedBy"] == [{"Name": "fMRIPrep", "Version": "24.1.1"}]
        assert told["Notes"] == []

    @pytest.mark.parametrize(
        "version", ["20.2.7", "21.0.4", "22.1.1", "23.2.3", "24.1.1", "25.1.0"]
    )
    def test_every_combination_of_the_names_of_a_version(self, tmp_path, version):
        """With and without ``res-``, visits and runs; the files that a version adds disturb none."""
        root = tree(tmp_path, version=version)
        names = itertools.product(("", "_res-2", "_res-native"), ("", "ses-a"), ("", "1", "2"))
        for number, (res, session, run) in enumerate(names, start=1):
            who = f"sub-{number:02d}"
            middle = "_".join(filter(None, (who, session, "task-rest", run and f"run-{run}")))
            where = f"{session}/func" if session else "func"
            bold_run(root, middle, where=where, space=f"space-{SPACE}{res}", volumes=10 + number)
            folder = root / who / where
            for more in ("desc-coreg_boldref", "desc-hmc_boldref", "space-T1w_desc-preproc_bold"):
                write_image(folder / f"{middle}_{more}.nii.gz", (5, 6, 7))
            (folder / f"{middle}_from-boldref_to-T1w_mode-image_desc-coreg_xfm.txt").touch()
            scan = raw(tmp_path, f"{middle}_bold", volumes=10 + number)
            files = adopted(scan, root, tmp_path / "out")
            assert nib.load(files.series).shape[3] == 10 + number
            told = json.loads(files.sidecar.read_text())
            assert told["Sources"][0] == f"{middle}_space-{SPACE}{res}_desc-preproc_bold.nii.gz"
            assert told["Notes"] == [] and told["GeneratedBy"][0]["Version"] == version

    def test_each_run_takes_its_own(self, tmp_path):
        root = tree(tmp_path)
        for number in (1, 2):
            bold_run(root, f"sub-01_task-rest_run-{number}", volumes=10 + number)
        for number in (1, 2):
            scan = raw(tmp_path, f"sub-01_task-rest_run-{number}_bold", volumes=10 + number)
            files = adopted(scan, root, tmp_path / "out")
            assert nib.load(files.series).shape[3] == 10 + number
        scan = raw(tmp_path, "sub-01_task-rest_bold")
        with pytest.raises(DatasetError, match="no preprocessed series of"):
            adopted(scan, root, tmp_path / "out")

    def test_of_two_resolutions_the_nearest_counts(self, tmp_path):
        scan, root = raw(tmp_path, "sub-01_task-rest_bold"), tree(tmp_path)
        bold_run(
            root, "sub-01_task-rest", space=f"space-{SPACE}_res-1", affine=np.diag([1, 1, 1, 1.0])
        )
        bold_run(root, "sub-01_task-rest", space=f"space-{SPACE}_res-native")
        for asked, mm in ((3.0, 3.0), (1.0, 1.0)):
            files = adopted(scan, root, tmp_path / "out", resolution_mm=asked)
            for path in (files.series, files.mask, files.boldref):
                assert nib.load(path).affine[0, 0] == mm

    def test_a_mean_stands_in_for_a_reference_that_is_not_there(self, tmp_path):
        scan, root = raw(tmp_path, "sub-01_task-rest_bold"), tree(tmp_path)
        bold_run(root, "sub-01_task-rest", only=("bold", "mask", "confounds"))
        files = adopted(scan, root, tmp_path / "out")
        mean = nib.load(files.series).get_fdata().mean(axis=3)
        np.testing.assert_allclose(nib.load(files.boldref).get_fdata(), mean, rtol=1e-5)

    def test_the_old_name_of_confounds(self, tmp_path):
        scan, root = raw(tmp_path, "sub-01_task-rest_bold"), tree(tmp_path, version="1.5.8")
        bold_run(root, "sub-01_task-rest", confounds="desc-confounds_regressors")
        files = adopted(scan, root, tmp_path / "out")
        assert files.confounds.name == "sub-01_task-rest_desc-confounds_timeseries.tsv"
        assert "version 1.5.8" in json.loads(files.sidecar.read_text())["Notes"][0]

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"rows": 11}, "has 11 rows for 12 volumes"),
            ({"volumes": 9}, "has 9 volumes, and sub-01_task-rest_bold.nii.gz has 12"),
            ({"tr_s": 1.5}, "RepetitionTime is 1.5 s in the tree and 2.0 s in the dataset"),
            ({"space": "space-T1w"}, "in the spaces T1w only"),
            ({"space": "space-MNIInfant_cohort-3"}, r"in the spaces MNIInfant\+3 only"),
            ({"only": ("bold", "confounds")}, "half a tree: it has no mask"),
            ({"only": ("bold", "mask")}, "half a tree: it has no confounds"),
        ],
    )
    def test_what_does_not_fit_is_refused_and_nothing_stays(self, tmp_path, change, words):
        scan, root = raw(tmp_path, "sub-01_task-rest_bold"), tree(tmp_path)
        bold_run(root, "sub-01_task-rest", **change)
        with pytest.raises(DatasetError, match=words):
            adopted(scan, root, tmp_path / "out")
        assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())

    def test_a_confound_table_without_movement_is_refused(self, tmp_path):
        scan, root = raw(tmp_path, "sub-01_task-rest_bold"), tree(tmp_path)
        bold_run(root, "sub-01_task-rest")
        path = root / "sub-01/func/sub-01_task-rest_desc-confounds_timeseries.tsv"
        path.write_text(path.read_text().replace("framewise_displacement", "FramewiseDisplacement"))
        with pytest.raises(DatasetError, match="has no column framewise_displacement"):
            adopted(scan, root, tmp_path / "out")

    def test_a_file_that_changes_is_seen(self, tmp_path):
        scan, root = raw(tmp_path, "sub-01_task-rest_bold"), tree(tmp_path)
        bold_run(root, "sub-01_task-rest")
        before = fingerprint(root, scan, "func")
        bold_run(root, "sub-02_task-rest")
        assert fingerprint(root, scan, "func") == before
        bold_run(root, "sub-01_task-rest", volumes=13)
        assert fingerprint(root, scan, "func") != before


def adopted_t1w(scan, root, out):
    settings = TreeSettings(tree=str(root))
    files = AdoptedAnat.of_step(scan, out, anat=None, settings=settings)
    adopt_anatomy(scan, out, settings=settings)
    assert files.absent() == []
    return files


class TestAnatomy:
    def test_a_t1w(self, tmp_path):
        scan, root = raw(tmp_path, "sub-01_T1w", modality="anat"), tree(tmp_path)
        numbers = t1w_of(root)
        files = adopted_t1w(scan, root, tmp_path / "out")
        assert files.template == SPACE
        assert np.array_equal(np.asarray(nib.load(files.dseg).dataobj), numbers)
        told = json.loads((tmp_path / "out/sub-01_desc-preproc_T1w.json").read_text())
        assert told["Notes"] == []

    def test_one_image_of_all_visits_counts_for_each_and_is_told(self, tmp_path):
        scan = raw(tmp_path, "sub-01_ses-2_acq-mprage_run-1_T1w", modality="anat")
        root = tree(tmp_path)
        t1w_of(root)
        adopted_t1w(scan, root, tmp_path / "out")
        name = "sub-01_ses-2_acq-mprage_run-1_desc-preproc_T1w.json"
        (note,) = json.loads((tmp_path / "out" / name).read_text())["Notes"]
        assert "without ses-2, acq-mprage, run-1" in note

    def test_the_image_of_the_visit_counts_before_that_of_all(self, tmp_path):
        scan, root = raw(tmp_path, "sub-01_ses-2_T1w", modality="anat"), tree(tmp_path)
        t1w_of(root)
        t1w_of(root, "sub-01_ses-2", where="ses-2/anat")
        files = adopted_t1w(scan, root, tmp_path / "out")
        told = json.loads(files.preproc.with_name("sub-01_ses-2_desc-preproc_T1w.json").read_text())
        assert told["Sources"] == ["sub-01_ses-2_desc-preproc_T1w.nii.gz"]

    def test_other_numbers_of_tissues_are_set_right(self, tmp_path):
        scan, root = raw(tmp_path, "sub-01_T1w", modality="anat"), tree(tmp_path)
        numbers = t1w_of(root, swap=True)
        files = adopted_t1w(scan, root, tmp_path / "out")
        clear = np.max([nib.load(path).get_fdata() for path in files.tissues], axis=0) > 0.5
        assert np.array_equal(np.asarray(nib.load(files.dseg).dataobj)[clear], numbers[clear])

    def test_qsiprep_calls_the_space_acpc(self, tmp_path):
        scan, root = (
            raw(tmp_path, "sub-01_T1w", modality="anat"),
            tree(tmp_path, "QSIPrep", "1.0.1"),
        )
        t1w_of(root, own="ACPC", space="_space-ACPC")
        assert adopted_t1w(scan, root, tmp_path / "out").template == SPACE

    @pytest.mark.parametrize(
        ("lost", "words"),
        [
            ("*label-WM_probseg*", "half a tree: it has no WM_probseg"),
            ("*from-T1w*", "half a tree: it has no transform to one of MNI152NLin2009cAsym"),
            ("*", "nobody of this name|no preprocessed T1w image"),
        ],
    )
    def test_half_a_tree(self, tmp_path, lost, words):
        scan, root = raw(tmp_path, "sub-01_T1w", modality="anat"), tree(tmp_path)
        t1w_of(root)
        for path in (root / "sub-01/anat").glob(lost):
            path.unlink()
        with pytest.raises(DatasetError, match=words):
            adopted_t1w(scan, root, tmp_path / "out")

    def test_two_grids_are_refused(self, tmp_path):
        scan, root = raw(tmp_path, "sub-01_T1w", modality="anat"), tree(tmp_path)
        t1w_of(root)
        write_image(root / "sub-01/anat/sub-01_desc-brain_mask.nii.gz", (5, 6, 8))
        with pytest.raises(DatasetError, match="of two grids"):
            adopted_t1w(scan, root, tmp_path / "out")


def series(root, label="sub-01", *, own="ACPC", lost=""):
    """A series as QSIPrep leaves it."""
    folder = root / "sub-01/dwi"
    stem = f"{label}_space-{own}"
    write_image(folder / f"{stem}_desc-preproc_dwi.nii.gz", (5, 6, 7, 4))
    write_image(folder / f"{stem}_desc-brain_mask.nii.gz", data=MASK)
    (folder / f"{stem}_desc-preproc_dwi.bval").write_text("0 1000 1000 1000\n")
    (folder / f"{stem}_desc-preproc_dwi.bvec").write_text("0 1 0 0\n0 0 1 0\n0 0 0 1\n")
    rows = "\n".join(["framewise_displacement", "0", "0.1", "0.1", "0.1"])
    (folder / f"{label}_desc-confounds_timeseries.tsv").write_text(rows + "\n")
    if lost:
        next(folder.glob(lost)).unlink()


class TestDiffusion:
    @pytest.mark.parametrize("own", ["T1w", "ACPC"])
    @pytest.mark.parametrize("label", ["sub-01", "sub-01_dir-AP"])
    def test_names_of_the_versions(self, tmp_path, own, label):
        scan = raw(tmp_path, "sub-01_dir-AP_dwi", modality="dwi")
        root = tree(tmp_path, "QSIPrep", "0.21.4")
        series(root, label, own=own)
        settings = TreeSettings(tree=str(root))
        adopt_diffusion(scan, tmp_path / "out", anat=None, settings=settings)
        files = AdoptedDwi.of_step(scan, tmp_path / "out", anat=None, settings=settings)
        assert files.absent() == [] and files.space == ""
        assert files.confounds.is_file()
        notes = json.loads(files.sidecar.read_text())["Notes"]
        assert any("several were joined" in note for note in notes) == (label == "sub-01")
        assert any("registered to the template without the T1w" in note for note in notes)

    @pytest.mark.parametrize("signs", [(-1, -1, 1), (1, 1, 1), (-1, 1, 1)])
    def test_directions_lie_along_the_axes_of_the_image(self, tmp_path, signs):
        """As QSIPrep's own .b file has them in the world, whatever way the image lies."""
        scan = raw(tmp_path, "sub-01_dwi", modality="dwi")
        root = tree(tmp_path, "QSIPrep", "1.0.0")
        dwi_series(root, "sub-01")
        affine = np.diag([3.0 * sign for sign in signs] + [1.0])
        for path in (root / "sub-01/dwi").glob("*.nii.gz"):
            nib.save(nib.Nifti1Image(np.asanyarray(nib.load(path).dataobj), affine), path)
        written = np.loadtxt(next((root / "sub-01/dwi").glob("*.bvec"))).T
        settings = TreeSettings(tree=str(root))
        adopt_diffusion(scan, tmp_path / "out", anat=None, settings=settings)
        files = AdoptedDwi.of_step(scan, tmp_path / "out", anat=None, settings=settings)
        table = {"bval": files.bval, "bvec": files.bvec}
        read = read_gradients(table, affine, volumes=8, who="sub-01")
        assert np.allclose(read.directions, written * signs, atol=1e-5)

    def test_a_table_that_was_cut_short_is_refused(self, tmp_path):
        scan = raw(tmp_path, "sub-01_dwi", modality="dwi")
        root = tree(tmp_path, "QSIPrep", "1.0.0")
        series(root)
        next((root / "sub-01/dwi").glob("*.bvec")).write_text("0 1 0\n0 0 1\n0 0 0\n")
        with pytest.raises(DatasetError, match="4 b-values and .* as many directions as b-values"):
            adopt_diffusion(
                scan, tmp_path / "out", anat=None, settings=TreeSettings(tree=str(root))
            )

    @pytest.mark.parametrize(
        ("lost", "words"), [("*.bvec", "no gradient directions"), ("*mask*", "no brain mask")]
    )
    def test_half_a_tree(self, tmp_path, lost, words):
        scan, root = raw(tmp_path, "sub-01_dwi", modality="dwi"), tree(tmp_path, "QSIPrep", "1.0.0")
        series(root, lost=lost)
        with pytest.raises(DatasetError, match=f"half a tree: it has {words}"):
            adopt_diffusion(
                scan, tmp_path / "out", anat=None, settings=TreeSettings(tree=str(root))
            )


class TestDescription:
    @pytest.mark.parametrize(
        ("program", "version", "told"),
        [
            ("fMRIPrep", "20.2.7", False),
            ("fMRIPrep", "25.1.0", False),
            ("fMRIPrep", "1.2.0", True),
            ("fMRIPrep", "", True),
            ("QSIPrep", "1.0.1", False),
        ],
    )
    def test_versions(self, tmp_path, program, version, told):
        assert bool(version_note(*described(tree(tmp_path, program, version)))) == told

    def test_trees_of_several_versions_in_one_study(self):
        same = {"anat": ("fMRIPrep", "24.1.1"), "func": ("fMRIPrep", "24.1.1")}
        assert versions_note({**same, "dwi": ("QSIPrep", "1.0.1")}) == ""
        note = versions_note({**same, "func": ("fMRIPrep", "20.2.7")})
        assert "several versions, 20.2.7 (func), 24.1.1 (anat)" in note
        assert "an unknown version (func)" in versions_note({**same, "func": ("fMRIPrep", "")})

    def test_another_program_is_refused(self, tmp_path):
        with pytest.raises(DatasetError, match="names"):
            described(tree(tmp_path, "C-PAC", "1.8"))

    def test_the_description_of_a_real_tree(self, shared_data):
        folder = shared_data / "derivatives/fmriprep-ds000031"
        assert described(folder) == ("fMRIPrep", "1.2.0")
