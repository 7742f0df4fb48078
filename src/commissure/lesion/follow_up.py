"""From the masks of all visits to readings that the response criteria judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from commissure.errors import DatasetError
from commissure.lesion.criteria.rules import Rule
from commissure.lesion.criteria.targets import Choice, select_targets, state_when_new
from commissure.lesion.definitions import TOO_SMALL_MM
from commissure.lesion.matching import Track
from commissure.lesion.measures import LesionMeasures, MeasuredMask
from commissure.lesion.readings import (
    Course,
    LesionReading,
    Patient,
    Role,
    State,
    Visit,
    check_patient,
    is_node,
)

#: Rise of the volume of non-target disease that compares with a rise of a diameter by 20 %.
NON_TARGET_RISE = 0.73


@dataclass(frozen=True)
class VisitRecord:
    """What is known of a visit beside its mask; see :class:`~commissure.lesion.readings.Visit`."""

    session: str
    day: float | None
    steroids_mg: float | None = None
    clinical: Course | None = None
    flair: Course | None = None
    contrast: str = ""


@dataclass(frozen=True)
class FollowUp:
    """The lesions of a patient over all visits.

    Attributes
    ----------
    patient
        The readings, with target lesions chosen at the baseline.
    tracks
        Which label is which lesion.
    choices
        Why each lesion of the baseline is a target or not.
    """

    patient: Patient
    tracks: tuple[Track, ...]
    choices: tuple[Choice, ...]


def follow_up(
    participant_id: str,
    records: Sequence[VisitRecord],
    masks: Sequence[MeasuredMask],
    tracks: Sequence[Track],
    rule: Rule,
    *,
    organ_of: Callable[[LesionMeasures], str] = lambda lesion: "",
    radiotherapy_end_day: float | None = None,
) -> FollowUp:
    """Read the lesions of all visits from their masks.

    A lesion in parts has the sums of their diameters, products and volumes. One that grew together
    with another is counted there. Below 5 mm a lesion is too small to be measured; a new one is
    then equivocal. What has happened to non-target disease is for a reader to say: a rise of its
    volume that compares with progression is flagged.

    Parameters
    ----------
    participant_id
        With its prefix.
    records, masks
        Of each visit, the baseline first.
    tracks
        Of :func:`commissure.lesion.matching.match_visits`, for the same visits.
    rule
        The criteria, by which target lesions are chosen.
    organ_of
        The organ in which a lesion lies, from its measures (as by an organ segmentation at its
        centroid); ``lymph node`` for a node.
    radiotherapy_end_day
        See :class:`~commissure.lesion.readings.Patient`.

    Raises
    ------
    DatasetError
        The numbers of visits differ, the baseline has no lesion, or as
        :func:`~commissure.lesion.readings.check_patient`.
    """
    if not len(records) == len(masks) == (len(tracks[0].labels) if tracks else len(masks)):
        raise DatasetError(
            participant_id,
            found=f"{len(records)} visits and {len(masks)} masks",
            wanted="one mask of each visit",
        )
    organs = _organs(tracks, masks, organ_of)
    at_baseline = [_reading(track, 0, masks[0], organs) for track in tracks if track.labels[0]]
    choices = select_targets(at_baseline, rule)
    roles: dict[str, Role] = {choice.lesion.lesion: choice.lesion.role for choice in choices}
    # Nodes of normal size at the baseline are no lesions, then or later.
    followed = [track for track in tracks if not track.labels[0] or track.lesion in roles]
    visits = []
    for number, (record, mask) in enumerate(zip(records, masks, strict=True)):
        lesions = [
            _with_role(_reading(track, number, mask, organs), roles, rule)
            for track in followed
            if any(track.labels[: number + 1])
        ]
        lesions = _whole_in_target(lesions, followed, number)
        visits.append(
            Visit(
                record.session, record.day, tuple(lesions), record.steroids_mg, record.clinical,
                record.flair, record.contrast, (*mask.flags, *_not_followed(mask, tracks, number)),
            )
        )  # fmt: skip
    patient = Patient(participant_id, tuple(_with_non_target_flags(visits)), radiotherapy_end_day)
    check_patient(patient)
    return FollowUp(patient, tuple(tracks), tuple(choices))


def _organs(
    tracks: Sequence[Track],
    masks: Sequence[MeasuredMask],
    organ_of: Callable[[LesionMeasures], str],
) -> dict[str, str]:
    """The organ of each lesion, where it was first seen."""
    organs = {}
    for track in tracks:
        number = next(n for n, labels in enumerate(track.labels) if labels)
        by_label = {lesion.label: lesion for lesion in masks[number].lesions}
        organs[track.lesion] = organ_of(by_label[track.labels[number][0]])
    return organs


def _reading(
    track: Track, number: int, mask: MeasuredMask, organs: dict[str, str]
) -> LesionReading:
    """A lesion at a visit at which it is known."""
    event = track.events[number]
    organ = organs[track.lesion]
    node = is_node(organ)
    if event == "merged":
        return LesionReading(track.lesion, "new", organ, "merged", node)
    if event == "not covered":
        return LesionReading(track.lesion, "new", organ, "not evaluated", node)
    by_label = {lesion.label: lesion for lesion in mask.lesions}
    parts = [by_label[label] for label in track.labels[number]]
    if not parts:
        return LesionReading(track.lesion, "new", organ, "absent", node)
    longest = sum(part.longest_mm for part in parts)
    state: State = "too small" if longest < TOO_SMALL_MM and not node else "measured"
    return LesionReading(
        track.lesion, "new", organ, state, node,
        longest_mm=longest,
        short_mm=sum(part.short_mm for part in parts),
        product_mm2=sum(part.product_mm2 for part in parts),
        volume_ml=sum(part.volume_ml for part in parts),
        slices=max(part.slices for part in parts),
        slice_mm=parts[0].slice_mm,
        cut=any(part.cut for part in parts),
    )  # fmt: skip


def _with_role(lesion: LesionReading, roles: Mapping[str, Role], rule: Rule) -> LesionReading:
    if lesion.lesion in roles:
        return replace(lesion, role=roles[lesion.lesion])
    return replace(lesion, role="new", state=state_when_new(lesion, rule))


def _whole_in_target(
    lesions: Sequence[LesionReading], tracks: Sequence[Track], number: int
) -> list[LesionReading]:
    """Count what has merged in a target lesion where one of both is one."""
    read = {lesion.lesion: lesion for lesion in lesions}
    for track in tracks:
        partner = track.merged_with[number]
        if not partner or read[track.lesion].role != "target":
            continue
        whole = read[partner]
        if whole.role != "target" and whole.state != "merged":
            own = read[track.lesion]
            read[track.lesion] = replace(whole, lesion=own.lesion, role=own.role,
                                         organ=own.organ, node=own.node)  # fmt: skip
            read[partner] = LesionReading(partner, whole.role, whole.organ, "merged", whole.node)
    return list(read.values())


def _not_followed(mask: MeasuredMask, tracks: Sequence[Track], number: int) -> list[str]:
    """Flag lesions of a mask that lie where the baseline has no image."""
    known = {label for track in tracks for label in track.labels[number]}
    return [
        f"label {lesion.label} lies outside the image of the baseline and is not followed"
        for lesion in mask.lesions
        if lesion.label not in known
    ]


def _with_non_target_flags(visits: Sequence[Visit]) -> list[Visit]:
    """Flag visits at which the volume of non-target disease has risen as for progression."""
    flagged = []
    least: float | None = None
    for visit in visits:
        volume = sum(x.volume_ml or 0.0 for x in visit.lesions if x.role == "non-target")
        if least is not None and least > 0 and volume >= least * (1 + NON_TARGET_RISE):
            visit = replace(
                visit,
                flags=(
                    *visit.flags,
                    f"the volume of non-target disease is {100 * (volume / least - 1):.0f} % over "
                    f"its least: a reader decides whether it has clearly progressed",
                ),
            )
        least = volume if least is None else min(least, volume)
        flagged.append(visit)
    return flagged
