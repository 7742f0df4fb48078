"""Diffusion series that QSIPrep has preprocessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from commissure.derivatives import Derivatives
from commissure.dwi.derivatives import DwiFiles, Space
from commissure.dwi.gradients import Gradients, write_gradients
from commissure.engines.trees.settings import TreeSettings
from commissure.engines.trees.tree import (
    OWN_SPACES,
    AdoptedFiles,
    Found,
    described,
    find,
    missing,
    place,
    place_json,
    version_note,
)
from commissure.errors import DatasetError
from commissure.files import read_table
from commissure.images.anat_files import AnatFiles
from commissure.images.load import load_image, same_grid, zooms_mm
from commissure.names import Scan, sidecar_path

#: QSIPrep joins the runs and opposed series of a visit, whose names then lack these.
_JOINED = ("dir", "run", "acq")


class AdoptedDwi(AdoptedFiles, DwiFiles):
    """The files of a series, in T1w space where the anatomy is of the same tree."""

    @staticmethod
    def named(scan: Scan, anat: Derivatives | None, settings: Any) -> dict[str, str]:
        """The space that :func:`adopt_diffusion` gives them."""
        return {"space": _space(anat, settings)}


def _space(anat: Derivatives | None, settings: TreeSettings) -> Space:
    return "T1w" if anat is not None and settings.same_anatomy else ""


def adopt_diffusion(
    scan: Scan, folder: Path, *, anat: AnatFiles | None, settings: TreeSettings
) -> None:
    """Take over a series that QSIPrep has preprocessed.

    QSIPrep's T1w lies by the line of the commissures, on a grid of its own. Where the anatomy of
    the study is another one, the series counts as in a space of its own, and its FA is registered
    straight to the template.

    Parameters
    ----------
    scan
        The raw series.
    folder
        Where the files go (a person's ``dwi/``).
    anat
        Derivatives of the same person's T1w image, if any.
    settings
        The tree.

    Raises
    ------
    DatasetError
        The tree has not all of the series, or its files do not fit each other.
    """
    root = Path(settings.tree)
    program, version = described(root)
    series, joined = _series(root, scan)
    if series is None:
        raise missing(scan, root, "preprocessed diffusion series", program=program)
    label = series.path.name.removesuffix("_dwi.nii.gz")
    stem = series.path.with_name(label)
    mask = series.path.with_name(label.replace("_desc-preproc", "_desc-brain") + "_mask.nii.gz")
    sources = {
        "b-values": Path(f"{stem}_dwi.bval"),
        "gradient directions": Path(f"{stem}_dwi.bvec"),
        "brain mask": mask,
    }
    lost = [what for what, path in sources.items() if not path.is_file()]
    if lost:
        left = ["a series", *(what for what in sources if what not in lost)]
        raise missing(scan, root, lost[0], program=program, left=left)
    image = load_image(series.path, who=scan.who, ndim=4)
    if not same_grid(image, load_image(mask, who=scan.who, ndim=3)):
        raise DatasetError(
            scan.who,
            found=f"the brain mask of the tree is not on the grid of the series {image.shape[:3]}",
            wanted="files of one run of the program",
            mend=f"Run {program} for them again, in an empty folder",
        )
    notes = [note for note in (version_note(program, version), joined) if note]
    space = _space(anat, settings)
    if not space:
        notes.append(
            f"{program}'s series lies in the space of its own T1w, which is not that of this "
            "study's anatomy: FA is registered to the template without the T1w."
        )
    files = DwiFiles.of(scan, folder, space=space)
    confounds = _confounds(series)
    if confounds is not None and len(read_table(confounds)) == image.shape[3]:
        place(confounds, files.confounds)
    elif confounds is not None:
        notes.append(f"{confounds.name} of the tree has not one row per volume and is left out.")
    place(series.path, files.series)
    gradients = _gradients(scan, sources["b-values"], sources["gradient directions"], image.affine)
    write_gradients(gradients, image.affine, files.bval, files.bvec)
    place(mask, files.mask)
    place_json(sidecar_path(mask), files.mask_sidecar, {"Sources": [mask.name]})
    place_json(
        sidecar_path(series.path),
        files.sidecar,
        {
            "GeneratedBy": [{"Name": program, "Version": version}],
            "Sources": [series.path.name],
            "Notes": notes,
        },
    )


def _gradients(scan: Scan, bval: Path, bvec: Path, affine: np.ndarray) -> Gradients:
    """The table of a series, directions in the world.

    QSIPrep writes directions along the axes of its images, which lie LPS+, as DIPY reads them (its
    ``.b`` file has them with both first signs turned). FSL's convention, which everything else
    here follows, turns the first axis of such an image around.
    """
    try:
        b, vectors = np.loadtxt(bval, ndmin=1), np.loadtxt(bvec, ndmin=2)
    except ValueError:
        b, vectors = np.zeros(0), np.zeros((0, 0))
    if b.size == 0 or vectors.shape != (3, b.size):
        raise DatasetError(
            scan.who,
            found=f"{bval.name} has {b.size} b-values and {bvec.name} {vectors.shape} numbers",
            wanted="as many directions as b-values",
            mend="Run QSIPrep for them again",
        )
    axes = affine[:3, :3] / np.array(zooms_mm(affine))
    return Gradients(b.ravel(), vectors.T @ axes.T)


def _series(root: Path, scan: Scan) -> tuple[Found | None, str]:
    """The series, and a note where it was made of several."""
    for given_up in ((), *((key,) for key in _JOINED), _JOINED):
        raw = Scan(
            scan.path, {k: v for k, v in scan.entities.items() if k not in given_up}, scan.suffix
        )
        for space in OWN_SPACES:
            found = find(root, raw, "dwi", "dwi", ".nii.gz", {"desc": "preproc", "space": space})
            if found:
                lost = [key for key in given_up if key in scan.entities]
                told = f"The series of the tree is without {', '.join(lost)}: several were joined."
                return found[0], told if lost else ""
    return None, ""


def _confounds(series: Found) -> Path | None:
    """The table of confounds beside a series, under the names of QSIPrep's versions."""
    entities = [part for part in series.path.name.split("_") if "-" in part]
    label = "_".join(p for p in entities if p.split("-")[0] not in ("space", "desc"))
    for name in (f"{label}_desc-confounds_timeseries.tsv", f"{label}_confounds.tsv"):
        if (series.path.parent / name).is_file():
            return series.path.parent / name
    return None
