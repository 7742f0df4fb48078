r"""How a BOLD run lies beside its T1w image, and whether what is wrong is told.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 \
        python benchmarks/bold_placement.py FOLDER [DATASET ...] [--people sub-01 ...] [--faults N]

For each run of a person with a T1w image: the contrast at the person's white-grey border where
mutual information, the centres, the headers and the search from each of them lay the run; how far 2
mm and 2 degrees, planted, are found again; and the checks with shifts and turns planted, with the
T1w image mirrored, and with the T1w images of the others. Without a dataset two people are
simulated. Derivatives of the T1w images stay in FOLDER.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

import nibabel as nib
import numpy as np

from commissure.anat.builtin.preprocess import preprocess as preprocess_anat
from commissure.anat.settings import AnatSettings
from commissure.dataset.index import build_index
from commissure.dataset.tree import tree_of
from commissure.func.builtin.distortion import susceptibility
from commissure.func.builtin.normalisation import brain_mask, resampled_volume, transform_chain
from commissure.func.builtin.realign import mean_volume, realign
from commissure.func.builtin.to_t1w import by_mutual_information, place_beside_t1w
from commissure.func.placement import CONTRAST_MIN_PERCENT, OFFSET_MAX_MM
from commissure.images.anat_files import AnatFiles
from commissure.images.boundary import Border, border_of, boundary_contrast
from commissure.images.boundary_registration import (
    GAIN_MIN,
    RIGHT_SIGN_MIN,
    Fit,
    boundary_offset_mm,
    centred_starts,
    find_placements,
    judge_placement,
    largest_distance_mm,
)
from commissure.images.load import load_image, zooms_mm
from commissure.images.registration import moved_points
from commissure.images.rigid import rigid_matrix
from commissure.images.template import template
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.dataset import write_person
from commissure.phantom.protocol import chosen_protocol


def simulated(folder: Path) -> Path:
    """Two simulated people."""
    request = CohortRequest(controls=2, responsive=0, resistant=0, sites=1, missing=0.0, seed=4)
    for person in draw_cohort(request):
        if not (folder / person.participant_id).is_dir():
            who = replace(person, modalities=frozenset({"anat", "func"}))
            write_person(folder, who, chosen_protocol("tiny"))
    return folder


def faults(count: int) -> list[tuple[str, np.ndarray]]:
    """Shifts of 4 and 8 mm, turns of 5 and 10 degrees: name and pose of each."""
    named = []
    for amounts, unit, first in (((4, 8), "mm", 0), ((5, 10), "degrees", 3)):
        for amount in amounts:
            for axis in range(3):
                for sign in (1, -1):
                    pose = np.zeros(6)
                    pose[first + axis] = sign * (np.radians(amount) if first else amount)
                    named.append((f"{sign * amount:+d} {unit} {'xyz'[axis]}", pose))
    return named[:: max(1, len(named) // count)]


class Tally:
    """How many faults and good runs were flagged."""

    def __init__(self) -> None:
        self.counts: dict[str, list[int]] = {"good runs": [0, 0], "planted faults": [0, 0]}

    def line(self, name: str, fit: Fit, offset_mm: float | None, *, good: bool = False) -> None:
        """Print the numbers of one pose, and count it."""
        passed = (
            fit.contrast.percent >= CONTRAST_MIN_PERCENT
            and fit.contrast.right_sign >= RIGHT_SIGN_MIN
            and fit.gain >= GAIN_MIN
            and (offset_mm is None or offset_mm <= OFFSET_MAX_MM)
        )
        counted = self.counts["good runs" if good else "planted faults"]
        counted[0] += 1
        counted[1] += not passed
        offset = "     " if offset_mm is None else f"{offset_mm:5.1f}"
        print(
            f"   {name:28s}{fit.contrast.percent:7.2f} % {fit.contrast.right_sign:6.3f} "
            f"{fit.gain:+7.3f} {offset} mm  seen {fit.contrast.seen:.2f}  "
            f"{'passes' if passed else 'flagged'}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("datasets", type=Path, nargs="*")
    parser.add_argument("--people", nargs="*", help="people, else all with both images")
    parser.add_argument("--faults", type=int, default=24, help="how many shifts and turns of 24")
    given = parser.parse_args()
    heads: dict[str, AnatFiles] = {}
    runs = []
    for dataset in given.datasets or [simulated(given.folder / "bids")]:
        for entry in build_index(dataset, tree_of(dataset)):
            if not entry.used:
                continue
            scan, out = entry.scan_in(dataset), given.folder / entry.participant_id
            if entry.modality == "anat":
                heads[entry.participant_id] = AnatFiles.of(scan, out)
                if not heads[entry.participant_id].complete():
                    out.mkdir(parents=True, exist_ok=True)
                    preprocess_anat(scan, out, settings=AnatSettings())
            elif entry.modality == "func":
                runs.append((entry.participant_id, scan))
    tally = Tally()
    for person, scan in runs:
        if person in heads and (not given.people or person in given.people):
            one_run(scan, person, heads, tally, given.faults)
    for name, (count, flagged) in tally.counts.items():
        print(f"{count} {name}, {flagged} of them flagged")


def reference_of(scan) -> nib.Nifti1Image:
    """Mean of the realigned volumes, its distortion undone where that can be."""
    image = load_image(scan.path, who=scan.who, ndim=4)
    series, affine = np.asanyarray(image.dataobj), image.affine
    motion = realign(series, affine, mask=brain_mask(series[..., 0], affine))
    mean = nib.Nifti1Image(mean_volume(series, affine, motion), affine)
    return susceptibility(scan, series, motion, mean).undone(mean)


def one_run(scan, person: str, heads: dict[str, AnatFiles], tally: Tally, count: int) -> None:
    """All lines of one run."""
    print(f"== {scan.path.name}")
    anat, reference = heads[person], reference_of(scan)
    affine = reference.affine
    brain = brain_mask(np.asarray(reference.dataobj), affine)
    started = time.process_time()
    kept = place_beside_t1w(reference, brain, anat, who=scan.who)
    spent = time.process_time() - started
    border = border_of(anat)
    centre = border.places.mean(axis=0)
    print(f"   kept: {kept.method}, started from {kept.start}, {spent:.1f} CPU s")
    by_start(scan, reference, brain, anat, border, kept.matrix)

    lost = []
    for _, pose in faults(24)[::2]:
        planted = kept.matrix @ rigid_matrix(2 * np.sign(pose) * PER_UNIT, centre)
        again = find_placements(reference, border, {"": [planted]})[0].matrix
        lost.append(largest_distance_mm(again, kept.matrix, border))
    print(f"   2 mm or 2 degrees planted: found to {max(lost):.2f} mm at worst")

    grid = template("mask", resolution_mm=max(3.0, min(zooms_mm(affine))))
    chain = transform_chain(reference, brain, grid, anat=anat, who=scan.who)
    data = resampled_volume(np.asarray(reference.dataobj), affine, chain.coordinates_mm, order=3)
    resampled = nib.Nifti1Image(data, grid.affine)

    def offset(moved: Border) -> float:
        sides = (moved_points(side, anat.from_template) for side in (moved.white, moved.grey))
        return boundary_offset_mm(resampled, Border(*sides).thinned(12_000), np.eye(4))

    print("   where it lies                contrast  right sign, over mirrored, offset")
    tally.line(
        "as it was laid", judge_placement(reference, border, kept.matrix), offset(border), good=True
    )
    for name, pose in faults(count):
        moved = rigid_matrix(pose, centre)
        fit = judge_placement(reference, border, kept.matrix @ moved)
        tally.line(name, fit, offset(border.moved(moved)))
    mirrored = border.mirrored()
    found = find_placements(reference, mirrored, {"": [kept.matrix]})[0]
    tally.line("mirrored", judge_placement(reference, mirrored, found.matrix), None)
    for other, theirs in heads.items():
        if other != person:
            placed = place_beside_t1w(reference, brain, theirs, who=scan.who)
            if placed.fit is not None:
                tally.line(f"T1w image of {other}", placed.fit, None)


#: From a sign to one mm or one degree of each parameter.
PER_UNIT = np.array([1, 1, 1, *np.radians([1, 1, 1])])


def by_start(scan, reference, brain, anat, border, kept) -> None:
    """Contrast at each start and where the search from it ends."""
    information = by_mutual_information(reference, brain, anat, scan.who)
    middle = np.argwhere(brain).mean(axis=0)
    where = reference.affine[:3, :3] @ middle + reference.affine[:3, 3]
    starts = {
        "mutual information": [information],
        "centres": centred_starts(border, where),
        "headers": [np.eye(4)],
    }
    for placement in find_placements(reference, border, starts):
        # The third of the turned starts is the one that is not turned.
        start = starts[placement.start][len(starts[placement.start]) // 2]
        before, after = (boundary_contrast(reference, border, m) for m in (start, placement.matrix))
        print(
            f"   {placement.start:20s} {before.percent:6.2f} % {before.right_sign:.3f}, searched "
            f"{after.percent:6.2f} % {after.right_sign:.3f}, from the kept place "
            f"{largest_distance_mm(start, kept, border):5.1f} and "
            f"{largest_distance_mm(placement.matrix, kept, border):5.2f} mm"
        )


if __name__ == "__main__":
    main()
