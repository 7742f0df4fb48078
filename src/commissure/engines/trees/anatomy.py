"""T1w images that fMRIPrep, sMRIPrep or QSIPrep has preprocessed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from commissure.derivatives import Derivatives
from commissure.engines.trees.settings import TreeSettings
from commissure.engines.trees.spaces import way
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
from commissure.images.anat_files import TISSUES, AnatFiles
from commissure.images.load import load_image, same_grid, save_image
from commissure.images.template import SPACES, TEMPLATE
from commissure.images.transforms import write_chain
from commissure.names import Scan, sidecar_path

#: Voxels in which the discrete segmentation has the most probable tissue, at least this share.
_AGREE_MIN = 0.8


@dataclass(frozen=True)
class _Ways:
    """How the T1w image reaches a template and back: files in the order of their chains."""

    template: str
    forward: tuple[Path, ...]
    back: tuple[Path, ...]


class AdoptedAnat(AdoptedFiles, AnatFiles):
    """The files of a T1w image, with transforms to the template that the tree leads to."""

    @staticmethod
    def named(scan: Scan, anat: Derivatives | None, settings: Any) -> dict[str, str]:
        """The template that :func:`adopt_anatomy` gives them."""
        ways = _ways(Path(settings.tree), scan, settings.templateflow)
        return {"template": ways.template if ways else SPACES[0]}


def adopt_anatomy(scan: Scan, folder: Path, *, settings: TreeSettings) -> None:
    """Take over a T1w image that another program has preprocessed.

    Where the program made one of several T1w images, of several visits too, that one counts for
    each of them, and a note says so.

    Parameters
    ----------
    scan
        The raw image.
    folder
        Where the files go (a person's ``anat/``).
    settings
        The tree.

    Raises
    ------
    DatasetError
        The tree has not all of the image, or in no template that is known, or its files do not
        fit each other.
    """
    root = Path(settings.tree)
    program, version = described(root)
    images = _images(root, scan)
    ways = _ways(root, scan, settings.templateflow)
    absent = [name for name, file in images.items() if file is None and name != "aseg"]
    if len(absent) == len(images) - 1:
        raise missing(scan, root, "preprocessed T1w image", program=program)
    if absent or ways is None:
        left = [name for name, file in images.items() if file is not None]
        lost = absent[0] if absent else f"transform to one of {', '.join(SPACES[1:])}"
        raise missing(scan, root, lost, program=program, left=left)
    loaded = {
        name: load_image(file.path, who=scan.who, ndim=3)
        for name, file in images.items()
        if file is not None
    }
    whole = loaded["preproc_T1w"]
    for name, image in loaded.items():
        if not same_grid(whole, image):
            raise DatasetError(
                scan.who,
                found=f"T1w {whole.shape} and {name} {image.shape} of the tree are of two grids",
                wanted="files of one run of the program",
                mend=f"Run {program} for them again, in an empty folder",
            )
    notes = [note for note in (version_note(program, version), _merged_note(scan, images)) if note]

    if len(ways.forward) > 1:
        notes.append(
            f"The transform to {ways.template} is that of the tree and {ways.forward[1].name} of "
            "the TemplateFlow home, one after the other."
        )
    files = AnatFiles.of(scan, folder, template=ways.template)
    targets = {
        "brain_mask": files.mask,
        **{f"{t}_probseg": path for t, path in zip(TISSUES, files.tissues, strict=True)},
        "aseg": files.aseg,
    }
    for name, target in targets.items():
        file = images[name]
        if file is not None:
            place(file.path, target)
            place_json(sidecar_path(file.path), sidecar_path(target), {"Sources": [file.path.name]})
    notes += _place_segmentation(loaded, files)
    for chain, target in ((ways.forward, files.to_template), (ways.back, files.from_template)):
        if len(chain) == 1:
            place(chain[0], target)
        else:
            write_chain(chain[0], chain[1], target)
    t1w = images["preproc_T1w"]
    assert t1w is not None
    place(t1w.path, files.preproc)
    more = {
        "GeneratedBy": [{"Name": program, "Version": version}],
        "Sources": [t1w.path.name],
        "approximate": ways.template != TEMPLATE,
        "Notes": notes,
    }
    place_json(sidecar_path(t1w.path), sidecar_path(files.preproc), more)


def _images(root: Path, scan: Scan) -> dict[str, Found | None]:
    """The images of a T1w by what they are, in the person's own space."""
    asked: dict[str, tuple[str, dict[str, str]]] = {
        "preproc_T1w": ("T1w", {"desc": "preproc"}),
        "brain_mask": ("mask", {"desc": "brain"}),
        "dseg": ("dseg", {"desc": ""}),
        **{f"{tissue}_probseg": ("probseg", {"label": tissue}) for tissue in TISSUES},
        "aseg": ("dseg", {"desc": "aseg"}),
    }
    return {name: _own(root, scan, suffix, wanted) for name, (suffix, wanted) in asked.items()}


def _own(root: Path, scan: Scan, suffix: str, wanted: dict[str, str]) -> Found | None:
    for space in ("", *OWN_SPACES):
        found = find(
            root,
            scan,
            "anat",
            suffix,
            ".nii.gz",
            {**wanted, "space": space, "res": ""},
            merged=True,
        )
        if found:
            return found[0]
    return None


def _ways(root: Path, scan: Scan, home: str) -> _Ways | None:
    """The best way to a template: to that of the parcels, to a known one, to one that leads there.

    Parameters
    ----------
    root, scan
        The tree and the raw image.
    home
        TemplateFlow's folder, empty for none.
    """
    pairs = _pairs(root, scan)
    if TEMPLATE in pairs:
        return _Ways(TEMPLATE, *pairs[TEMPLATE])
    known = [space for space in SPACES if space in pairs]
    for space in [*known, *sorted(set(pairs) - set(known))]:
        targets = [TEMPLATE] if space in known else SPACES
        for target in targets:
            on, back = way(home, space, target), way(home, target, space)
            if on and back:
                forward, return_ = pairs[space]
                return _Ways(target, (*forward, on.path), (back.path, *return_))
    return _Ways(known[0], *pairs[known[0]]) if known else None


def _pairs(root: Path, scan: Scan) -> dict[str, tuple[tuple[Path], tuple[Path]]]:
    """Transforms to each template and back, where the tree has both, by template."""
    pairs: dict[str, tuple[tuple[Path], tuple[Path]]] = {}
    for own in OWN_SPACES:
        leaving = {"from": own, "mode": "image"}
        for on in find(root, scan, "anat", "xfm", ".h5", leaving, merged=True):
            template = on.entities.get("to", "")
            back = find(root, scan, "anat", "xfm", ".h5", _transform(template, own), merged=True)
            if back:
                pairs.setdefault(template, ((on.path,), (back[0].path,)))
    return pairs


def _transform(start: str, end: str) -> dict[str, str]:
    return {"from": start, "to": end, "mode": "image"}


def _merged_note(scan: Scan, images: dict[str, Found | None]) -> str:
    """That the program made one image of several; empty where it did not."""
    file = images["preproc_T1w"]
    if file is None:
        return ""
    given_up = [
        f"{key}-{value}" for key, value in scan.entities.items() if key not in file.entities
    ]
    if not given_up:
        return ""
    return (
        f"The T1w of the tree is without {', '.join(given_up)}: the program merged images, and the "
        "same counts for each of them."
    )


def _place_segmentation(loaded: dict[str, nib.Nifti1Image], files: AnatFiles) -> list[str]:
    """Write the discrete segmentation under the numbers of BIDS; a note where they were others."""
    numbers = np.asanyarray(loaded["dseg"].dataobj).astype(np.int16)
    likely = np.stack([np.asanyarray(loaded[f"{t}_probseg"].dataobj) for t in TISSUES])
    best = np.where(likely.max(axis=0) > 0.5, likely.argmax(axis=0) + 1, 0)
    clear = best > 0
    notes = []
    if clear.any() and (numbers[clear] == best[clear]).mean() < _AGREE_MIN:
        numbers = best.astype(np.int16)
        notes.append(
            "The numbers of dseg are not those of BIDS (1 GM, 2 WM, 3 CSF); it was made again of "
            "the tissue probabilities."
        )
    save_image(numbers.astype(np.uint8), loaded["dseg"].affine, files.dseg)
    return notes
