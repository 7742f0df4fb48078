"""Lesions over time on simulated patients: diameters, who is who, and the response.

    python benchmarks/lesion_follow_up.py [--patients 200] [--visits 4] [--lesions 4]
        [--body liver head] [--shift-mm 0.7 2 4] [--orientations 20]

Masks are true ones. Judged are diameters of ellipsoids at random orientations on several grids
against those of the same sections; the links between visits (a lesion, a later visit, a label), with
F1 and recall of those of parts and mergers alone, where a lesion that goes on under another name is
lost; and Cohen's kappa of the RECIST 1.1 response at every follow-up with that of the true
diameters, once for the target lesions that were chosen and once with the choice left to each.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass, field

import nibabel as nib
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.spatial.transform import Rotation

from commissure.lesion.agreement import agreement
from commissure.lesion.criteria.assess import assess
from commissure.lesion.criteria.rules import RECIST_1_1
from commissure.lesion.diameters import axial_axis, largest_diameter, plane_diameters
from commissure.lesion.follow_up import FollowUp, VisitRecord, follow_up
from commissure.lesion.matching import Track, match_visits
from commissure.lesion.measures import measured_mask
from commissure.phantom.lesions.bodies import Body, head, liver
from commissure.phantom.lesions.ellipsoids import Ellipsoid, painted
from commissure.phantom.lesions.simulate import (
    SimulatedPatient,
    simulate_follow_up,
    true_responses,
)

GRIDS_MM = ((1.0, 1.0, 1.0), (0.7, 0.7, 5.0), (0.9, 0.9, 3.0), (2.0, 2.0, 2.0), (4.0, 1.0, 1.0))


def sections(body: Ellipsoid, affine: np.ndarray, axis: int, count: int) -> np.ndarray:
    """Short and long diameter of the largest section of an ellipsoid among the slices of a grid."""
    normal = np.linalg.inv(affine[:3, :3])[axis]
    normal = normal / np.linalg.norm(normal)
    plane = np.linalg.svd(normal[None])[2][1:]
    shadow = plane @ body.form @ plane.T
    mixed = plane @ body.form @ normal
    left = normal @ body.form @ normal - mixed @ np.linalg.solve(shadow, mixed)
    places = np.zeros((count, 3))
    places[:, axis] = np.arange(count)
    away = (nib.affines.apply_affine(affine, places) - body.centre) @ normal
    scale = np.sqrt(max(0.0, 1 - float(np.min(left * away**2))))
    return 2 * scale / np.sqrt(np.linalg.eigvalsh(shadow))[::-1]


def diameters(orientations: int) -> Table:
    table = Table("voxels (mm)", "error of", "mean (mm)", "largest (mm)", "in voxels", "CPU s each")
    rng = np.random.default_rng(1)
    for voxel_mm in GRIDS_MM:
        errors = []
        started = time.process_time()
        for seed in range(orientations):
            tilt = Rotation.from_euler("xyz", rng.uniform(-20, 20, 3), degrees=True).as_matrix()
            affine = np.eye(4)
            affine[:3, :3] = tilt @ np.diag(voxel_mm)
            x, y, z = (int(np.ceil(52 / size)) for size in voxel_mm)
            shape = (x, y, z)
            middle = (np.array(shape) - 1) / 2 + rng.uniform(-0.5, 0.5, 3)
            body = Ellipsoid(
                affine[:3, :3] @ middle,
                np.array([9.0, 12.0, 18.0]) * rng.uniform(0.6, 1.2),
                Rotation.random(random_state=seed).as_matrix(),
            )
            mask = np.zeros(shape, bool)
            box, inside = painted(body, shape, affine)
            mask[box] = inside
            axis = axial_axis(affine)
            short, longest = sections(body, affine, axis, shape[axis])
            plane = plane_diameters(mask, affine)
            errors.append(
                (
                    plane.longest_mm - longest,
                    plane.short_mm - short,
                    largest_diameter(mask, affine) - 2 * body.semi_axes.max(),
                )
            )
        seconds = (time.process_time() - started) / orientations
        for number, name in enumerate(("longest, axial", "perpendicular", "largest in space")):
            values = np.array(errors)[:, number]
            voxel = max(voxel_mm) if number == 2 else max(np.delete(voxel_mm, axis))
            most = np.abs(values).max()
            table.add_row(
                "x".join(f"{v:g}" for v in voxel_mm), name, f"{values.mean():+.2f}", f"{most:.2f}",
                f"{most / voxel:.2f}", f"{seconds:.3f}",
            )  # fmt: skip
    return table


@dataclass
class Score:
    """What became of the patients."""

    right: int = 0
    wrong: int = 0
    lost: int = 0
    special_right: int = 0
    special_all: int = 0
    events: Counter = field(default_factory=Counter)
    people: list[str] = field(default_factory=list)
    ours: list[str] = field(default_factory=list)
    true_of_chosen: list[str] = field(default_factory=list)
    true: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall of the links."""
        return 2 * self.right / max(2 * self.right + self.wrong + self.lost, 1)


def names_of(tracks: tuple[Track, ...], patient: SimulatedPatient) -> dict[str, tuple[str, ...]]:
    """True lesions behind each that was followed: those of the label with which it began."""
    names = {}
    for track in tracks:
        number = next(n for n, labels in enumerate(track.labels) if labels)
        bodies = {body.label: body for body in patient.visits[number].bodies}
        names[track.lesion] = bodies[track.labels[number][0]].lesions
    return names


def count_links(score: Score, tracks: tuple[Track, ...], patient: SimulatedPatient) -> None:
    true, special = set(), set()
    begun: dict[str, tuple[int, int]] = {}
    for n, visit in enumerate(patient.visits):
        parts = Counter(name for body in visit.bodies for name in body.lesions)
        for body in visit.bodies:
            for name in body.lesions:
                if begun.setdefault(name, (n, body.label))[0] == n:
                    continue
                true.add((name, n, body.label))
                if parts[name] > 1 or len(body.lesions) > 1:
                    special.add((name, n, body.label))
    # A lesion is the track that had it at first sight: what is found again under another name is
    # lost.
    seen = {
        (name, n, label)
        for name, (start, first) in begun.items()
        for track in tracks
        if first in track.labels[start] and not any(track.labels[:start])
        for n, labels in enumerate(track.labels)
        if n > start
        for label in labels
    }
    score.right += len(seen & true)
    score.wrong += len(seen - true)
    score.lost += len(true - seen)
    score.special_right += len(special & seen)
    score.special_all += len(special)
    for track in tracks:
        score.events.update(event for event in track.events if event)


def count_responses(score: Score, followed: FollowUp, patient: SimulatedPatient) -> None:
    names = names_of(followed.tracks, patient)
    chosen = [
        name
        for choice in followed.choices
        if choice.lesion.role == "target"
        for name in names[choice.lesion.lesion]
    ]
    judged = assess(followed.patient, RECIST_1_1)
    score.ours += [one.response for one in judged]
    score.people += [one.participant_id for one in judged]
    score.true += patient.responses
    score.true_of_chosen += true_responses(patient.visits, chosen)


def scored(body: Body, patients: int, visits: int, lesions: int, shift_mm: float) -> Score:
    score = Score()
    for seed in range(patients):
        patient = simulate_follow_up(body, seed, visits=visits, lesions=lesions, shift_mm=shift_mm)
        started = time.process_time()
        tracks = match_visits([visit.labels for visit in patient.visits], patient.affine)
        masks = [
            measured_mask(nib.Nifti1Image(visit.labels, patient.affine), who=f"sub-{seed}")
            for visit in patient.visits
        ]
        records = [VisitRecord(visit.session, visit.day) for visit in patient.visits]
        followed = follow_up(
            f"sub-{seed:04d}", records, masks, tracks, RECIST_1_1, organ_of=lambda lesion: "organ"
        )
        count_links(score, tracks, patient)
        count_responses(score, followed, patient)
        score.seconds += time.process_time() - started
    return score


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--visits", type=int, default=4)
    parser.add_argument("--lesions", type=int, nargs="+", default=[4])
    parser.add_argument("--body", nargs="+", choices=("liver", "head"), default=["liver"])
    parser.add_argument("--shift-mm", type=float, nargs="+", default=[0.7])
    parser.add_argument("--orientations", type=int, default=20)
    asked = parser.parse_args()
    console = Console(width=150)
    console.print(diameters(asked.orientations))
    table = Table(
        "body", "lesions", "shift (mm)", "links", "F1", "of splits and mergers", "visits",
        "kappa, targets given", "kappa, targets chosen", "CPU s a patient",
    )  # fmt: skip
    for kind in asked.body:
        body = liver() if kind == "liver" else head(1)
        for lesions in asked.lesions:
            for shift in asked.shift_mm:
                score = scored(body, asked.patients, asked.visits, lesions, shift)
                given = agreement(score.true_of_chosen, score.ours, score.people).kappa
                chosen = agreement(score.true, score.ours, score.people).kappa
                table.add_row(
                    kind, str(lesions), f"{shift:g}", str(score.right + score.lost),
                    f"{score.f1:.4f}", f"{score.special_right} of {score.special_all}",
                    str(len(score.ours)),
                    f"{given.value:.3f} ({given.low:.3f} to {given.high:.3f})",
                    f"{chosen.value:.3f} ({chosen.low:.3f} to {chosen.high:.3f})",
                    f"{score.seconds / asked.patients:.2f}",
                )  # fmt: skip
                console.print(dict(score.events), dict(Counter(score.true)))
    console.print(table)


if __name__ == "__main__":
    main()
