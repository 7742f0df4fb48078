"""Maps of grey matter of the people of a run, on one grid of a template space.

A map says which share of each voxel of the grid a person's grey matter fills: every voxel of the
person's own map of probabilities is carried into the template by the stored transform, with its
volume. What the warp stretches gets thinner, so that a map sums to the person's volume, as
modulated maps of voxel-based morphometry do (Good CD et al., NeuroImage 14:21-36, 2001).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from commissure.errors import DatasetError, QualityError
from commissure.files import atomic, remove_drafts
from commissure.images.anat_files import AnatFiles
from commissure.images.load import load_image
from commissure.images.map_grid import MapGrid
from commissure.images.registration import moved_points
from commissure.images.template import SPACES
from commissure.names import Scan, parse_name
from commissure.representation.people import MarkedPeople

#: Less than this of a voxel is no grey matter.
LEAST_PROBABILITY = 0.01
#: Share of a person's grey matter that may lie outside of the grid.
MOST_OUTSIDE = 0.02
#: Folder of maps that were made, below that of the run.
MADE = Path("work/grey_matter")
_FWHM_OF_SD = 2.3548


@dataclass(frozen=True)
class GreyMatterMaps:
    """Maps of people on one grid; each is read when it is asked for.

    Attributes
    ----------
    grid
        Where they lie.
    files
        One array of (X, Y, Z) a person.
    """

    grid: MapGrid
    files: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, rows: np.ndarray) -> np.ndarray:
        """Maps of these people, (people, X, Y, Z): the share of each voxel that is filled."""
        if not len(rows):
            return np.zeros((0, *self.grid.shape), np.float32)
        return np.stack([np.load(self.files[row], allow_pickle=False) for row in rows])

    def of(self, chosen: np.ndarray) -> GreyMatterMaps:
        """Those of some people, by a mask or by numbers."""
        numbers = np.arange(len(self))[chosen]
        return GreyMatterMaps(self.grid, tuple(self.files[number] for number in numbers))


def grey_matter_map(files: AnatFiles, grid: MapGrid) -> np.ndarray:
    """The map of one T1w image.

    Parameters
    ----------
    files
        Its derivatives; their template is that of the grid.
    grid
        Where the map is to lie.

    Returns
    -------
    numpy.ndarray
        (X, Y, Z) float32, 0 to about 1: filled share of each voxel.

    Raises
    ------
    DatasetError
        The image of probabilities cannot be read.
    QualityError
        There is no grey matter, or more than :data:`MOST_OUTSIDE` of it lies outside of the grid.
    """
    image = load_image(files.gm, who=files.who, ndim=3)
    share = np.asanyarray(image.dataobj)
    inside = np.argwhere(share > LEAST_PROBABILITY)
    points = inside @ image.affine[:3, :3].T + image.affine[:3, 3]
    volume = share[tuple(inside.T)] * abs(np.linalg.det(image.affine[:3, :3]))
    if not len(inside):
        raise QualityError(files.who, found=f"{files.gm.name} holds no grey matter")
    filled = _laid(moved_points(points, files.from_template), volume, grid)
    outside = 1 - filled.sum() / volume.sum()
    if outside > MOST_OUTSIDE:
        raise QualityError(
            files.who, found=f"{outside:.0%} of its grey matter lies outside of the brain of "
            f"{grid.space}",
            wanted=f"{MOST_OUTSIDE:.0%} at most",
            mend="Look at its registration in the report",
        )  # fmt: skip
    filled /= grid.resolution_mm**3
    if grid.smoothing_mm:
        filled = gaussian_filter(filled, grid.smoothing_mm / _FWHM_OF_SD / grid.resolution_mm)
    return filled.astype(np.float32)


def _laid(points: np.ndarray, volume: np.ndarray, grid: MapGrid) -> np.ndarray:
    """Volumes at points, (N, 3) mm, divided among the eight voxels around each, (X, Y, Z)."""
    step = np.linalg.inv(grid.affine)
    place = points @ step[:3, :3].T + step[:3, 3]
    low = np.floor(place).astype(int)
    rest = place - low
    total = np.zeros(np.prod(grid.shape))
    for corner in product((0, 1), repeat=3):
        voxel = low + corner
        within = ((voxel >= 0) & (voxel < grid.shape)).all(axis=1)
        weight = np.where(corner, rest, 1 - rest).prod(axis=1)[within] * volume[within]
        numbers = np.ravel_multi_index(tuple(voxel[within].T), grid.shape)
        total += np.bincount(numbers, weight, minlength=len(total))
    return total.reshape(grid.shape)


def read_maps(
    dataset: Path,
    people: MarkedPeople,
    grid: MapGrid | None = None,
    *,
    resolution_mm: float = MapGrid.resolution_mm,
    smoothing_mm: float = MapGrid.smoothing_mm,
    work: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> tuple[GreyMatterMaps, np.ndarray, list[str]]:
    """Maps of the T1w images whose markers count, made where they are not there yet.

    Parameters
    ----------
    dataset
        Output folder of a run.
    people
        Its people.
    grid
        Where the maps are to lie; by default in the template space of the images.
    resolution_mm, smoothing_mm
        Of the grid where none is given.
    work
        Folder of the maps; by default ``work/grey_matter`` of the run. A run that was killed finds
        there what it made, and so does the next command.
    say
        Takes a line on how far the work is.

    Returns
    -------
    maps, numbers, cautions
        The maps; the place of each person in ``people``; who is left out, in words.

    Raises
    ------
    DatasetError
        It is no folder of a run, nobody has a map, or the images lie in another template space
        than the grid, or in several.
    """
    say = say or (lambda line: None)
    images, cautions = _images(dataset, people)
    if grid is None:
        space = next((f.template for _, f in images if f.complete()), MapGrid.space)
        grid = MapGrid(space, resolution_mm, smoothing_mm)
    folder = (work or dataset / MADE) / _folder_name(grid)
    folder.mkdir(parents=True, exist_ok=True)
    remove_drafts(folder)
    numbers, made = [], []
    for count, (number, files) in enumerate(images, start=1):
        _check_space(files, grid)
        path = folder / f"{files.gm.name.partition('_label-')[0]}_{_content(files)}.npy"
        try:
            if not path.is_file():
                with atomic(path) as draft:
                    np.save(draft, grey_matter_map(files, grid), allow_pickle=False)
                for older in set(folder.glob(f"{path.name.rpartition('_')[0]}_*.npy")) - {path}:
                    older.unlink()
        except QualityError as error:
            cautions.append(f"Left out: {error}")
            continue
        numbers.append(number)
        made.append(path)
        if count % 50 == 0:
            say(f"maps of {count} of {len(images)} people")
    if not made:
        raise DatasetError(
            str(dataset), found="nobody has a map of grey matter",
            wanted="the output folder of a run with T1w images", mend="; ".join(cautions[:2]),
        )  # fmt: skip
    return GreyMatterMaps(grid, tuple(made)), np.array(numbers), cautions


def _images(dataset: Path, people: MarkedPeople) -> tuple[list[tuple[int, AnatFiles]], list[str]]:
    """Number of each person with the derivatives of their T1w image, and who has none."""
    if not dataset.is_dir():
        raise DatasetError(
            str(dataset), found="it is no folder", wanted="the output folder of a run: maps are "
            "made of its images",
        )  # fmt: skip
    rows = people.markers[people.markers["modality"] == "anat"]
    sessions = rows.drop_duplicates("participant_id").set_index("participant_id")["session"]
    images, without = [], []
    for number, person in enumerate(people.participants):
        visit = sessions.get(person)
        parts = [person, visit] if isinstance(visit, str) and visit else [person]
        folder = dataset.joinpath(*parts, "anat")
        named = [p for p in sorted(folder.glob("*_label-GM_probseg.nii.gz"))
                 if "space" not in parse_name(p.name)[0]]  # fmt: skip
        if person not in sessions.index or not named:
            without.append(person)
            continue
        if len(named) > 1:
            raise DatasetError(
                " ".join(parts), found=f"{len(named)} maps of grey matter: "
                f"{' and '.join(p.name for p in named[:2])}",
                wanted="one", mend="Remove those that an earlier run left",
            )  # fmt: skip
        entities = {k: v for k, v in parse_name(named[0].name)[0].items() if k != "label"}
        scan = Scan(named[0], entities, "T1w")
        images.append((number, AnatFiles.in_any_space(scan, folder)))
    cautions = []
    if without:
        more = f" and {len(without) - 1} more" if len(without) > 1 else ""
        cautions.append(f"{without[0]}{more} have no T1w image that counts: left out.")
    return images, cautions


def _check_space(files: AnatFiles, grid: MapGrid) -> None:
    folder = files.gm.parent
    own = {space for space in SPACES if list(folder.glob(f"*_from-{space}_to-T1w_*xfm.h5"))}
    if grid.space not in own:
        raise DatasetError(
            files.who, found="its T1w image has transforms to "
            f"{' and '.join(sorted(own)) or 'no template space'}",
            wanted=f"one to {grid.space}, in which all maps lie",
            mend="Run the anatomical engine into that space, or learn an encoder on these people",
        )  # fmt: skip


def _folder_name(grid: MapGrid) -> str:
    return f"space-{grid.space}_res-{grid.resolution_mm:g}mm_smooth-{grid.smoothing_mm:g}mm"


def _content(files: AnatFiles) -> str:
    """Tells the files of an image from those of another run."""
    state: Sequence[object] = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in (files.gm, files.from_template)
    ]
    return hashlib.sha256(repr(state).encode()).hexdigest()[:12]
