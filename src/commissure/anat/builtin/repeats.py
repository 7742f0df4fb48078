"""The visits of one person, laid together: which show the same head, and the template of those.

Labels are made once, in an image midway between the visits that shows what they have in common.
Each visit is then segmented on its own grid, from its own intensities, inside the same brain and
with the same expectation, moved to it. So what differs between the numbers of visits is what
differs between their images.

Notes
-----
Reuter M et al., Within-subject template estimation for unbiased longitudinal image analysis,
NeuroImage 61:1402-1418, 2012.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import nibabel as nib
import numpy as np

from commissure.anat.builtin.brain import laid_head, template_distance
from commissure.anat.builtin.head import ReadiedHead, readied_head
from commissure.anat.builtin.person_template import PersonTemplate, VisitInTemplate, person_template
from commissure.anat.settings import SAME_HEAD, AnatPreprocessSettings
from commissure.errors import CommissureError
from commissure.images.midway import Place, agreement, midway_maps
from commissure.names import Scan

#: How far around the brain heads are compared, with skull and without, and warped (mm).
HEAD_MM, BRAIN_MM = 8.0, 2.0

#: The box of the template, in mm around the middle of the study's template.
LOW_MM, HIGH_MM = (-100.0, -125.0, -105.0), (100.0, 120.0, 105.0)

#: The middle of the brain in the study's template (mm).
MIDDLE_MM = (0.0, -18.0, 8.0)


@dataclass(frozen=True)
class Comparison:
    """A visit beside another one of the same person.

    Attributes
    ----------
    other
        File name of the other image.
    correlation, mirrored
        Mean local correlation of the two images, and that with one of them mirrored.
    """

    other: str
    correlation: float
    mirrored: float


@dataclass(frozen=True)
class Repeats:
    """What laying visits together gave.

    Attributes
    ----------
    compared
        By file name, a visit beside each of the others that could be compared with it.
    members
        File names of the visits in the template, in its order.
    template
        Of the visits that show the same head; None where there are not two.
    """

    compared: dict[str, tuple[Comparison, ...]]
    members: tuple[str, ...]
    template: PersonTemplate | None

    def visit(self, scan: Scan) -> VisitInTemplate | None:
        """A visit in the template; None where it is in none."""
        if self.template is None or scan.path.name not in self.members:
            return None
        return VisitInTemplate(self.template, self.members.index(scan.path.name))

    def record(self, scan: Scan, sources: Mapping[str, str]) -> dict[str, object]:
        """What the sidecars of a visit say of the others.

        Parameters
        ----------
        scan
            The image of the visit.
        sources
            BIDS URI of each visit's image by its file name.
        """
        name = scan.path.name
        record: dict[str, object] = {}
        if compared := self.compared.get(name):
            record["SameHead"] = {
                "LocalCorrelation": {sources[c.other]: round(c.correlation, 4) for c in compared},
                "LocalCorrelationMirrored": {
                    sources[c.other]: round(c.mirrored, 4) for c in compared
                },
                "LocalCorrelationMin": SAME_HEAD,
                "Same": name in self.members,
            }
        if self.template is not None and name in self.members:
            matrix = self.template.maps[self.members.index(name)]
            record["WithinPersonTemplate"] = {
                "Visits": [sources[member] for member in self.members],
                "Method": "midway affine maps and warps, median; labels made once",
                "TemplateToVisit": np.round(matrix, 6).tolist(),
            }
        return record

    def notes(self, scan: Scan, scans: Sequence[Scan]) -> list[str]:
        """What the reader of a visit's numbers must know, in sentences."""
        name = scan.path.name
        session = {visit.path.name: visit.session or visit.path.name for visit in scans}
        alone = "it is segmented by itself"
        notes = []
        if self.template is not None and name in self.members:
            members = ", ".join(session[member] for member in self.members)
            notes.append(f"Segmented in one template of {len(self.members)} visits ({members}).")
        elif name not in self.compared:
            notes.append(
                f"No other visit can be laid onto this one (one fails, or one is without its skull "
                f"and the other is not); {alone}."
            )
        for other in self.compared.get(name, ()):
            if (name in self.members) == (other.other in self.members) and name in self.members:
                continue
            if other.mirrored >= max(SAME_HEAD, other.correlation):
                notes.append(
                    f"This image and that of {session[other.other]} are mirror images of each "
                    f"other (local correlation {other.mirrored:.2f} mirrored, "
                    f"{other.correlation:.2f} as they are): left and right are exchanged in one "
                    "of them."
                )
            elif other.correlation < SAME_HEAD:
                notes.append(
                    f"This image and that of {session[other.other]} do not show the same head: "
                    f"their local correlation is {other.correlation:.2f}, where {SAME_HEAD:g} is "
                    f"expected."
                )
        if name in self.compared and name not in self.members:
            notes.append(f"This visit is in no template of the person; {alone}.")
        absent = [visit for visit in session if visit not in self.compared and visit != name]
        if absent and name in self.members:
            notes.append(f"Not in the template: {', '.join(session[v] for v in absent)}.")
        return notes


@dataclass(frozen=True)
class _Visits:
    """Images of one person, equal where the files are the same."""

    state: tuple[tuple[str, int, int], ...]
    settings: AnatPreprocessSettings
    scans: tuple[Scan, ...] = field(compare=False)


@dataclass(frozen=True)
class _Laid:
    name: str
    stripped: bool
    flat: nib.Nifti1Image
    to_person: np.ndarray
    start: np.ndarray


def laid_together(scans: Sequence[Scan], *, settings: AnatPreprocessSettings) -> Repeats:
    """Lay the visits of a person together.

    What was found is kept until other visits are asked for, because each of them asks.

    Parameters
    ----------
    scans
        A T1w image of each visit. One that cannot be used is left out: its own turn says why.
    settings
        What the study chose.
    """
    stats = [scan.path.stat() if scan.path.exists() else None for scan in scans]
    state = tuple(
        (str(scan.path), stat.st_size, stat.st_mtime_ns)
        for scan, stat in zip(scans, stats, strict=True)
        if stat is not None
    )
    return _laid_together(_Visits(state, settings, tuple(scans)))


@lru_cache(maxsize=1)
def _laid_together(visits: _Visits) -> Repeats:
    laid = [one for scan in visits.scans if (one := _laid(scan, visits.settings)) is not None]
    kinds = [[one for one in laid if one.stripped == kind] for kind in (False, True)]
    # A head and a stripped brain have no border in common.
    alike = max(kinds, key=len)
    if len(alike) < 2 or len(kinds[0]) == len(kinds[1]):
        return Repeats({}, (), None)
    flats = [one.flat for one in alike]
    around = BRAIN_MM if alike[0].stripped else HEAD_MM
    maps = midway_maps(
        flats,
        [one.start for one in alike],
        _place(alike, around),
        sizes_differ=not alike[0].stripped,
    )
    brain = _place(alike, BRAIN_MM)
    straight, mirrored = agreement(flats, maps, brain)
    compared = {
        one.name: tuple(
            Comparison(other.name, float(straight[i, j]), float(mirrored[i, j]))
            for j, other in enumerate(alike)
            if j != i
        )
        for i, one in enumerate(alike)
    }
    same = same_heads(np.where(straight > mirrored, straight, 0))
    if len(same) < 2:
        return Repeats(compared, (), None)
    template = person_template(
        [flats[k] for k in same],
        [maps[k] for k in same],
        brain,
        stripped=alike[0].stripped,
        settings=visits.settings,
    )
    return Repeats(compared, tuple(alike[k].name for k in same), template)


def same_heads(correlation: np.ndarray) -> list[int]:
    """Numbers of the images that show one head: the largest group; none where two are as large.

    Parameters
    ----------
    correlation
        (N, N) local correlation of the images.
    """
    groups: list[set[int]] = []
    for k, row in enumerate(correlation):
        near = {k, *np.flatnonzero(row >= SAME_HEAD).tolist()}
        touched = [group for group in groups if group & near]
        groups = [group for group in groups if not group & near]
        groups.append(near.union(*touched))
    groups.sort(key=len, reverse=True)
    if len(groups) > 1 and len(groups[0]) == len(groups[1]):
        return []
    return sorted(groups[0])


def _laid(scan: Scan, settings: AnatPreprocessSettings) -> _Laid | None:
    try:
        head: ReadiedHead = readied_head(scan, settings=settings)
        flat, to_person = laid_head(head.work, stripped=head.stripped)
    except CommissureError as error:
        if _of_machine(error):
            raise
        return None
    return _Laid(scan.path.name, head.stripped, flat, to_person, _rigid(to_person))


def _of_machine(error: BaseException) -> bool:
    """Whether a failure is the machine's, as a full disk: the visit may be whole."""
    cause = error.__cause__
    return isinstance(cause, MemoryError) or (
        isinstance(cause, OSError) and cause.errno is not None
    )


def _rigid(to_person: np.ndarray) -> np.ndarray:
    """4x4 without the size of the head: mm around the middle of the brain to the person's mm."""
    left, _, right = np.linalg.svd(to_person[:3, :3])
    rigid = np.eye(4)
    rigid[:3, :3] = left @ right
    rigid[:3, 3] = nib.affines.apply_affine(to_person, MIDDLE_MM)
    return rigid


def _place(laid: Sequence[_Laid], around_mm: float) -> Place:
    """Box of the template, and what counts there: the brain by the mean of the visits' poses."""
    to_space = np.mean([np.linalg.inv(one.start) @ one.to_person for one in laid], axis=0)
    size = max(1.0, float(np.abs(np.linalg.det(to_space[:3, :3])) ** (1 / 3)))
    low, high = np.array(LOW_MM) * size, np.array(HIGH_MM) * size
    box = Place(low, high, nib.Nifti1Image(np.zeros((1, 1, 1), np.float32), np.eye(4)))
    shape, affine = box.grid(2.0)
    inside = around_mm - template_distance(to_space, shape, affine)
    return Place(low, high, nib.Nifti1Image(inside.astype(np.float32), affine))
