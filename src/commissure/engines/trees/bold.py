"""BOLD runs that fMRIPrep has preprocessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from commissure.derivatives import Derivatives
from commissure.engines.trees.settings import TreeSettings
from commissure.engines.trees.spaces import (
    Way,
    carried_mask,
    wanted_file,
    way,
    way_to_known,
)
from commissure.engines.trees.tree import (
    AdoptedFiles,
    Found,
    described,
    find,
    missing,
    place,
    place_json,
    said,
    version_note,
)
from commissure.errors import DatasetError
from commissure.files import read_table
from commissure.func.derivatives import FuncFiles
from commissure.images.anat_files import AnatFiles
from commissure.images.load import load_image, same_grid, save_image, zooms_mm
from commissure.images.registration import apply_transform
from commissure.images.template import SPACES, TEMPLATE
from commissure.names import Scan, sidecar_path

#: What fMRIPrep called the table of confounds before version 20.2.
_OLD_SUFFIX = "regressors"

#: Columns without which nothing can be denoised.
_COLUMNS = ("framewise_displacement", "trans_x", "rot_z")

#: Repetition times that differ by more belong to different runs, seconds.
_TR_APART_S = 0.002


@dataclass(frozen=True)
class _Choice:
    """The series that is taken, and the space in which it arrives.

    Attributes
    ----------
    series
        As the tree has it.
    space
        In which the files are written.
    over
        The transform between the two; None where they are the same.
    """

    series: Found
    space: str
    over: Way | None = None


class AdoptedFunc(AdoptedFiles, FuncFiles):
    """The files of a run in the space in which it arrives."""

    @staticmethod
    def named(scan: Scan, anat: Derivatives | None, settings: Any) -> dict[str, str]:
        """The space that :func:`adopt_bold` gives them."""
        choice = _choice(Path(settings.tree), scan, settings)
        return {"space": choice.space if choice else SPACES[0]}


def adopt_bold(scan: Scan, folder: Path, *, anat: AnatFiles | None, settings: TreeSettings) -> None:
    """Take over a run that fMRIPrep has preprocessed.

    Parameters
    ----------
    scan
        The raw run.
    folder
        Where the files go (a person's ``func/``).
    anat
        Not needed: the series lies in a template's space.
    settings
        The tree.

    Raises
    ------
    DatasetError
        The tree has not all of the run, has it in no space of a template that is known, or its
        files do not fit each other or the raw run.
    """
    root = Path(settings.tree)
    program, version = described(root)
    choice = _choice(root, scan, settings)
    if choice is None:
        others = _spaces(root, scan)
        if others:
            raise DatasetError(
                scan.who,
                found=f"the tree has {scan.path.name} in the spaces {', '.join(others)} only",
                wanted=f"one of {', '.join(SPACES[1:])}, or {wanted_file(others[0])} in the folder "
                "that TEMPLATEFLOW_HOME names",
                mend=f"Run {program} again with --output-spaces {SPACES[1]}:res-2",
            )
        raise missing(scan, root, "preprocessed series", program=program)
    series = choice.series
    same = {key: series.entities.get(key, "") for key in ("space", "res", "cohort")}
    mask = _one(root, scan, "mask", ".nii.gz", {"desc": "brain", **same})
    reference = _one(root, scan, "boldref", ".nii.gz", {"desc": "", **same})
    confounds = _one(root, scan, "timeseries", ".tsv", {"desc": "confounds"}) or _one(
        root, scan, _OLD_SUFFIX, ".tsv", {"desc": "confounds"}
    )
    there = {"a series": series, "a mask": mask, "confounds": confounds}
    for what in ("a mask", "confounds"):
        if there[what] is None:
            left = [name for name, file in there.items() if file is not None]
            raise missing(scan, root, what.removeprefix("a "), program=program, left=left)
    assert mask is not None and confounds is not None
    image = load_image(series.path, who=scan.who, ndim=4)
    brain = load_image(mask.path, who=scan.who, ndim=3)
    if not same_grid(image, brain):
        raise DatasetError(
            scan.who,
            found=f"series {image.shape[:3]} and mask {brain.shape} of the tree are of two grids",
            wanted="files of one run of the program",
            mend=f"Run {program} for them again, in an empty folder",
        )
    notes = [note for note in (version_note(program, version),) if note]
    notes += _check_run(scan, image.shape[3], series, program)
    _check_confounds(scan, confounds.path, image.shape[3], program)

    files = FuncFiles.of(scan, folder, space=choice.space)
    notes += _place_images(
        image, brain, mask, reference, choice=choice, files=files, settings=settings, scan=scan
    )
    place(confounds.path, files.confounds)
    if (meaning := sidecar_path(confounds.path)).is_file():
        place(meaning, files.confounds_sidecar)
    # The sidecar is the last: what has one is whole.
    place_json(
        sidecar_path(series.path),
        files.sidecar,
        {
            "SpatialReference": choice.space,
            "Resolution": f"{min(zooms_mm(load_image(files.mask, who=scan.who).affine)):g} mm",
            "approximate": choice.space != TEMPLATE,
            "GeneratedBy": [{"Name": program, "Version": version}],
            "Sources": [series.path.name, confounds.path.name],
            "Notes": notes,
        },
    )


def _choice(root: Path, scan: Scan, settings: TreeSettings) -> _Choice | None:
    """The series in the space of the parcels, or one that is brought there; else in a known space.

    Of several resolutions the nearest counts.
    """
    by_space = _by_space(root, scan)
    nearest = {
        space: min(files, key=lambda file: _apart(file, settings.resolution_mm))
        for space, files in by_space.items()
    }
    if TEMPLATE in nearest:
        return _Choice(nearest[TEMPLATE], TEMPLATE)
    known = [space for space in SPACES if space in nearest]
    for space in known:
        if over := way(settings.templateflow, space, TEMPLATE):
            return _Choice(nearest[space], TEMPLATE, over)
    if known:
        return _Choice(nearest[known[0]], known[0])
    for space in sorted(nearest):
        if over := way_to_known(settings.templateflow, space):
            return _Choice(nearest[space], over.target, over)
    return None


def _by_space(root: Path, scan: Scan) -> dict[str, list[Found]]:
    """Series by their space, with its cohort as ``MNIInfant+3``; those of no space left out."""
    spaces: dict[str, list[Found]] = {}
    for file in find(root, scan, "func", "bold", ".nii.gz", {"desc": "preproc"}):
        if file.entities.get("space"):
            spaces.setdefault(_space_of(file), []).append(file)
    return spaces


def _space_of(file: Found) -> str:
    names = (file.entities.get("space", "the run's own"), file.entities.get("cohort", ""))
    return "+".join(filter(None, names))


def _place_images(
    image: nib.Nifti1Image,
    brain: nib.Nifti1Image,
    mask: Found,
    reference: Found | None,
    *,
    choice: _Choice,
    files: FuncFiles,
    settings: TreeSettings,
    scan: Scan,
) -> list[str]:
    """Take over series, mask and mean, in the space where they arrive; notes on that.

    Raises
    ------
    DatasetError
        A transform leads the brain away from that of the template.
    """
    notes, picture = [], None
    if reference is not None:
        picture = load_image(reference.path, who=scan.who, ndim=3)
        picture = picture if same_grid(picture, brain) else None
    if picture is None:
        notes.append("The tree has no boldref in this space; it is the mean of the series.")
        mean = np.asanyarray(image.dataobj).mean(axis=3, dtype=np.float64)
        picture = nib.Nifti1Image(mean.astype(np.float32), image.affine)
        reference = None
    over = choice.over
    if over is None:
        place(choice.series.path, files.series)
        place(mask.path, files.mask)
        if reference is not None:
            place(reference.path, files.boldref)
        else:
            save_image(np.asanyarray(picture.dataobj), picture.affine, files.boldref)
        return notes
    moved = carried_mask(brain, over, settings.resolution_mm)
    if moved is None:
        raise DatasetError(
            scan.who,
            found=f"with {over.path.name} the brain lies worse on {over.target} than without it",
            wanted=f"a transform that takes images of {over.start} to {over.target}",
            mend=f"Remove {over.path.name} from the TemplateFlow home, or replace it: files that "
            "lead the other way than their names say are known",
        )
    for source, target in ((image, files.series), (picture, files.boldref)):
        carried = apply_transform(source, moved, [over.path])
        save_image(np.asanyarray(carried.dataobj), moved.affine, target)
    save_image((np.asanyarray(moved.dataobj) > 0.5).astype(np.uint8), moved.affine, files.mask)
    return [
        *notes,
        f"The series was brought from {over.start} to {over.target} by {over.path.name} of the "
        "TemplateFlow home.",
    ]


def _apart(file: Found, resolution_mm: float) -> float:
    """By how much the voxels differ from what is asked; what cannot be read comes last."""
    try:
        affine = nib.load(file.path).affine  # type: ignore[attr-defined]
    except Exception:
        return float("inf")
    return abs(min(zooms_mm(affine)) - resolution_mm)


def _spaces(root: Path, scan: Scan) -> list[str]:
    """Spaces in which the tree has a run."""
    found = find(root, scan, "func", "bold", ".nii.gz", {"desc": "preproc"})
    return sorted({_space_of(file) for file in found})


def _one(
    root: Path, scan: Scan, suffix: str, extension: str, wanted: Mapping[str, str]
) -> Found | None:
    found = find(root, scan, "func", suffix, extension, wanted)
    return found[0] if found else None


def _check_run(scan: Scan, volumes: int, series: Found, program: str) -> list[str]:
    """Refuse the derivative of another run; notes on what differs without harm."""
    shape = nib.load(scan.path).shape  # type: ignore[attr-defined]
    notes = []
    if shape[3:] != (volumes,):
        raise DatasetError(
            scan.who,
            found=f"the series of the tree has {volumes} volumes, and {scan.path.name} has "
            f"{shape[3] if len(shape) > 3 else 1}",
            wanted="the derivative of this run",
            mend=f"Run {program} for them again: the dataset has changed since",
        )
    sidecar = sidecar_path(series.path)
    told = said(sidecar).get("RepetitionTime")
    own = scan.metadata().get("RepetitionTime") if scan.sidecars else None
    if told is not None and own is not None and abs(float(told) - float(own)) > _TR_APART_S:
        raise DatasetError(
            scan.who,
            found=f"RepetitionTime is {told} s in the tree and {own} s in the dataset",
            wanted="the derivative of this run",
            mend=f"Run {program} for them again, or mend the sidecar of the run",
        )
    if told is None:
        notes.append("The tree's sidecar has no RepetitionTime; that of the dataset counts.")
    return notes


def _check_confounds(scan: Scan, path: Path, volumes: int, program: str) -> None:
    table = read_table(path)
    lost = [name for name in _COLUMNS if name not in table]
    if len(table) != volumes:
        found = f"{path.name} has {len(table)} rows for {volumes} volumes"
    elif lost:
        found = f"{path.name} has no column {lost[0]}"
    else:
        return
    raise DatasetError(
        scan.who,
        found=found,
        wanted="the confounds of this run, one row per volume",
        mend=f"Run {program} for them again" + (", version 20.2 or later" if lost else ""),
    )
