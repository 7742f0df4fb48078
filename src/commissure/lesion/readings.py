"""What was read of a patient's lesions at each visit: the input of the response criteria.

A reading may come from masks (:mod:`commissure.lesion.follow_up`) or from a person
(:mod:`commissure.lesion.readings_table`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from commissure.errors import DatasetError

Role = Literal["target", "non-target", "new"]

#: ``measured``: its size counts. ``present``, ``absent``, ``progression`` (unequivocal): states of
#: a lesion that is not measured. ``too small``: seen, but too small to be measured. ``merged``:
#: grown together with another lesion, in whose size it is counted. ``equivocal``: perhaps a lesion.
State = Literal[
    "measured", "present", "absent", "progression", "too small", "merged", "equivocal",
    "not evaluated",
]  # fmt: skip
STATES: tuple[State, ...] = (
    "measured", "present", "absent", "progression", "too small", "merged", "equivocal",
    "not evaluated",
)  # fmt: skip
ROLES: tuple[Role, ...] = ("target", "non-target", "new")

Course = Literal["stable", "improved", "worse"]
COURSES: tuple[Course, ...] = ("stable", "improved", "worse")

#: Organs whose lesions are lymph nodes, which are measured along their short axis.
_NODE = re.compile(r"lymph|\bnodes?\b|\bnodal\b|adenopath|\bLN\b", re.IGNORECASE)


def is_node(organ: str) -> bool:
    """Whether an organ's name says that its lesions are lymph nodes."""
    return _NODE.search(organ) is not None


@dataclass(frozen=True)
class LesionReading:
    """One lesion at one visit.

    Attributes
    ----------
    lesion
        Its name, the same at every visit.
    role
        ``target``, ``non-target`` or ``new``.
    organ
        Where it lies; all lymph nodes are one organ.
    state
        See :data:`State`.
    node
        Whether it is a lymph node.
    longest_mm, short_mm
        Longest diameter in the plane of measurement, and the longest perpendicular to it.
    product_mm2
        Product of the two; of a lesion in parts the sum of their products.
    volume_ml
        Its volume.
    slices
        On how many slices it is seen.
    slice_mm
        Distance of the slices on which it was measured.
    cut
        Whether the edge of the image cuts it.
    """

    lesion: str
    role: Role
    organ: str = ""
    state: State = "measured"
    node: bool = False
    longest_mm: float | None = None
    short_mm: float | None = None
    product_mm2: float | None = None
    volume_ml: float | None = None
    slices: int | None = None
    slice_mm: float | None = None
    cut: bool = False

    @property
    def product(self) -> float | None:
        """The product in mm2, of the two diameters where it is not given."""
        if self.product_mm2 is not None or self.longest_mm is None or self.short_mm is None:
            return self.product_mm2
        return self.longest_mm * self.short_mm


@dataclass(frozen=True)
class Visit:
    """What was read at one visit.

    Attributes
    ----------
    session
        Its name, as ``ses-2``.
    day
        Days since the baseline; None where the date is not known.
    lesions
        All lesions that were looked for.
    steroids_mg
        Daily dose of corticosteroids (dexamethasone equivalents); 0 also for physiological
        replacement; None where it is not recorded.
    clinical
        Clinical state against the baseline; None where it is not recorded.
    flair
        Extent on T2w or FLAIR, against the baseline or the best response; None where not read.
    contrast
        Contrast agent, ``none`` for an image without; empty where it is not recorded.
    flags
        Doubts about the visit as a whole, each a sentence.
    """

    session: str
    day: float | None
    lesions: tuple[LesionReading, ...]
    steroids_mg: float | None = None
    clinical: Course | None = None
    flair: Course | None = None
    contrast: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Patient:
    """The visits of one patient in order, the baseline first.

    Attributes
    ----------
    participant_id
        With its prefix.
    visits
        At least one.
    radiotherapy_end_day
        Day on which radiotherapy ended, counted from the baseline (negative before it); None
        where there was none.
    """

    participant_id: str
    visits: tuple[Visit, ...]
    radiotherapy_end_day: float | None = None

    @property
    def baseline(self) -> Visit:
        """The first visit."""
        return self.visits[0]


def check_patient(patient: Patient) -> None:
    """Refuse readings that contradict themselves.

    Raises
    ------
    DatasetError
        There is no visit, a visit is named twice, a visit lies before the one that it follows or
        has no day between others, contrast was given at some visits only, a lesion stands twice
        in a visit or changes its role, its organ or what it is, the baseline has new lesions, or
        has neither target nor non-target lesions.
    """
    who = patient.participant_id
    if not patient.visits:
        raise DatasetError(who, found="no visit", wanted="a baseline and its follow-ups")
    _check_order(patient)
    _check_contrast(patient)
    baseline = patient.baseline
    if any(lesion.role == "new" for lesion in baseline.lesions):
        raise DatasetError(
            f"{who} {baseline.session}",
            found="a new lesion at the baseline",
            wanted="target and non-target lesions",
            mend="Call it target or non-target, or name the earlier visit",
        )
    _check_lesions(patient)
    if not any(lesion.state != "absent" for lesion in baseline.lesions):
        raise DatasetError(
            f"{who} {baseline.session}",
            found="no lesion at the baseline, neither target nor non-target",
            wanted="disease that can respond",
            mend="Check the mask or the table of the baseline",
        )


def _check_order(patient: Patient) -> None:
    last: Visit | None = None
    seen: set[str] = set()
    for visit in patient.visits:
        who = f"{patient.participant_id} {visit.session}"
        if visit.session in seen:
            raise DatasetError(
                who, found="the visit stands twice", wanted="one reading of each visit"
            )
        seen.add(visit.session)
        if visit.day is None:
            continue
        if last is not None and last.day is not None and visit.day <= last.day:
            what = "baseline" if last is patient.baseline else "visit"
            raise DatasetError(
                who,
                found=f"the follow-up lies on day {visit.day:g}, the {what} {last.session} before "
                f"it on day {last.day:g}",
                wanted="visits in the order of time, the baseline first",
                mend="Mend the days or the order of the visits",
            )
        last = visit


def _check_contrast(patient: Patient) -> None:
    agents = {visit.session: visit.contrast for visit in patient.visits if visit.contrast}
    if "none" in agents.values() and set(agents.values()) != {"none"}:
        without = ", ".join(name for name, agent in agents.items() if agent == "none")
        given = ", ".join(name for name, agent in agents.items() if agent != "none")
        raise DatasetError(
            patient.participant_id,
            found=f"contrast was given at {given} and not at {without}",
            wanted="the same at all visits: enhancing lesions are not seen without",
            mend=f"Leave {without} out, or read its lesions as not evaluated",
        )


def _check_lesions(patient: Patient) -> None:
    first: dict[str, tuple[str, LesionReading]] = {}
    for visit in patient.visits:
        who = f"{patient.participant_id} {visit.session}"
        names = [lesion.lesion for lesion in visit.lesions]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DatasetError(
                who, found=f"lesion {twice[0]} stands twice", wanted="one reading of each lesion"
            )
        for lesion in visit.lesions:
            if lesion.node != is_node(lesion.organ) and is_node(lesion.organ):
                raise DatasetError(
                    f"{who}, lesion {lesion.lesion}",
                    found=f"it lies in '{lesion.organ}' and is read as no node",
                    wanted="lymph nodes read as nodes, along their short axis",
                    mend="Set its column node to yes, or name its organ otherwise",
                )
            session, before = first.setdefault(lesion.lesion, (visit.session, lesion))
            for name in ("role", "organ", "node"):
                was, now = getattr(before, name), getattr(lesion, name)
                if was != now:
                    raise DatasetError(
                        f"{who}, lesion {lesion.lesion}",
                        found=f"its {name} is '{now}', and was '{was}' at {session}",
                        wanted=f"a lesion that keeps its {name}",
                    )
            _check_sizes(lesion, who)


def _check_sizes(lesion: LesionReading, who: str) -> None:
    sizes = {
        "longest_mm": lesion.longest_mm,
        "short_mm": lesion.short_mm,
        "product_mm2": lesion.product_mm2,
        "volume_ml": lesion.volume_ml,
    }
    for name, size in sizes.items():
        if size is not None and not 0 <= size < 1e5:
            raise DatasetError(
                f"{who}, lesion {lesion.lesion}", found=f"{name} is {size:g}", wanted="0 or more"
            )
    if (
        lesion.longest_mm is not None
        and lesion.short_mm is not None
        and lesion.short_mm > lesion.longest_mm + 1e-6
    ):
        raise DatasetError(
            f"{who}, lesion {lesion.lesion}",
            found=f"the short axis of {lesion.short_mm:g} mm is longer than the longest diameter "
            f"of {lesion.longest_mm:g} mm",
            wanted="the longer of two perpendicular diameters as the longest",
            mend="Exchange them",
        )
