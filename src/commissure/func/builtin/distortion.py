"""Susceptibility distortion of a BOLD run: from what it is known, and whether it helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import nibabel as nib
import numpy as np

from commissure.func.builtin.normalisation import brain_mask
from commissure.func.builtin.realign import Motion, mean_volume
from commissure.images.anat_files import AnatFiles
from commissure.images.boundary import Border, border_of, boundary_contrast
from commissure.images.boundary_registration import (
    agreement_near,
    centred_starts,
    find_placements,
)
from commissure.images.distortion import (
    field_map_kind,
    field_of_opposed_pair,
    shift_from_field_map,
    shift_from_opposed_image,
)
from commissure.images.field_map import head_mask
from commissure.images.field_map_files import unused_field_maps, visit_field_maps
from commissure.images.grid import sampled_at, world_places
from commissure.images.load import zooms_mm
from commissure.images.susceptibility import Shift
from commissure.names import Scan

#: Volumes at the start that are compared with an opposed image, which is as short.
FIRST_VOLUMES = 3

#: A place of the border that the field moves by more than this (mm) tells whether it is right; with
#: fewer than so many such places nothing is decided.
DISPLACED_MM, BORDER_POINTS = 1.0, 300

#: Contrast that a correction may cost, in percent points: more is no matter of noise.
CONTRAST_LOST_PERCENT = 1.0

#: Places of the border that tell how strong the field is: displaced by more than this, mm.
STRENGTH_MM = 0.5

#: By how much more the border may agree with half and with twice the correction than with it. In a
#: measured head and five simulated ones a right field has at most -0.016 and -0.005; one that is
#: twice too strong has at least +0.009 with half of it, one too weak by half +0.019 with twice.
HALF_MORE, DOUBLE_MORE = 0.0, 0.008


@dataclass(frozen=True)
class Susceptibility:
    """What is known of the distortion of a run.

    Attributes
    ----------
    shift
        That of the realignment's reference; None where it is not corrected.
    method
        ``PEPOLAR`` (opposed phase encodings), ``PHASEDIFF`` (phases of two echoes), ``MAPPED`` (a
        field in Hz), as sdcflows names them, or ``none``.
    source
        Name of the image that it is from; empty for none.
    notes
        Sentences: why it is not corrected, or what was odd.
    refused
        Names of field maps that are meant for the run and do not serve.
    contrast_percent
        Contrast of grey and white matter at places that are displaced: ``corrected``, with the
        ``opposite`` sign, and ``uncorrected``; empty where it was not measured.
    agreement_gain
        By how much better the border agrees with ``half`` and with ``double`` the correction;
        empty where it was not measured.
    """

    shift: Shift | None
    method: str
    source: str
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    contrast_percent: Mapping[str, float] = field(default_factory=dict)
    agreement_gain: Mapping[str, float] = field(default_factory=dict)

    def undone(self, volume: nib.Nifti1Image) -> nib.Nifti1Image:
        """A volume of the reference's pose without its distortion, on its own grid."""
        return volume if self.shift is None else without_distortion(volume, self.shift)

    def sidecar(self) -> dict[str, Any]:
        """What the JSON of the series says of it."""
        fields: dict[str, Any] = {"SusceptibilityDistortionCorrection": self.method}
        if self.shift is not None:
            fields["SusceptibilityDistortionSource"] = self.source
        if self.contrast_percent:
            fields["SusceptibilityContrastPercent"] = dict(self.contrast_percent)
            fields["SusceptibilityAgreementGain"] = dict(self.agreement_gain)
        if self.refused:
            fields["FieldMapsRefused"] = list(self.refused)
        return fields


def without_distortion(volume: nib.Nifti1Image, shift: Shift) -> nib.Nifti1Image:
    """A volume with its signal where its tissue is, on its own grid (cubic spline)."""
    data, affine = np.asarray(volume.dataobj, np.float32), volume.affine
    places = shift.seen_from(world_places(data.shape, affine))
    values = sampled_at(data, affine, np.eye(4), *places)
    return nib.Nifti1Image(np.clip(values, 0, None), affine)


def susceptibility(
    scan: Scan,
    series: np.ndarray,
    motion: Motion,
    boldref: nib.Nifti1Image,
    *,
    wanted: bool = True,
) -> Susceptibility:
    """Find the distortion of a run from the images in ``fmap/`` that belong to it.

    Both senses of opposed images show the field by themselves, one of them with the run's first
    volumes; else a field map of gradient echoes serves.

    Parameters
    ----------
    scan
        The run, with the associated files of
        :func:`commissure.dataset.field_maps.field_maps_of`.
    series, motion
        (X, Y, Z, T) as acquired, and its movement.
    boldref
        Mean of the realigned volumes.
    wanted
        Whether it is to be corrected at all.
    """
    if not wanted:
        off = "Susceptibility is not corrected: func.susceptibility is off."
        return Susceptibility(None, "none", "", (off,))
    affine, notes, metadata = boldref.affine, list[str](), scan.metadata()
    reference = np.asarray(boldref.dataobj)
    mask = brain_mask(reference, affine)
    opposed, kind = scan.associated.get("epi"), field_map_kind(scan)
    shift, source = None, ""
    if opposed is not None:
        source = opposed.name
        known = field_of_opposed_pair(scan, notes) if "epi_same" in scan.associated else None
        if known is not None:
            shift = shift_from_field_map(
                scan, metadata, reference, mask, affine, notes,
                field=known, source=source, against="opposite",
            )  # fmt: skip
        else:
            first = min(FIRST_VOLUMES, series.shape[3])
            start = Motion(motion.parameters[:first], motion.centre_mm)
            volume = mean_volume(series[..., :first], affine, start)
            # The brain of a squashed image is cut short; what the field pushed out of it counts.
            head = head_mask(volume, affine)
            shift = shift_from_opposed_image(
                scan, metadata, volume, head, affine, notes, same_echo_time=True
            )
        if shift is not None:
            return Susceptibility(shift, "PEPOLAR", source, tuple(notes))
    if kind:
        source = scan.associated[kind].name
        shift = shift_from_field_map(
            scan, metadata, reference, mask, affine, notes, against="opposite"
        )
        if shift is not None:
            method = "MAPPED" if kind == "fieldmap" else "PHASEDIFF"
            return Susceptibility(shift, method, source, tuple(notes))
    refused = [scan.associated[key].name for key in ("epi", kind) if key in scan.associated]
    return Susceptibility(None, "none", "", tuple(notes or _absent(scan)), tuple(refused))


def checked_at_border(
    found: Susceptibility, boldref: nib.Nifti1Image, anat: AnatFiles | None
) -> Susceptibility:
    """Refuse a correction with which grey and white matter do not lie where the T1w image has them.

    The corrected volume, that with the opposite sign, and the uncorrected one are each laid beside
    the border of white and grey matter. Where the field displaces the border, the right correction
    shows most contrast across it. How strong the field should be is told by the agreement with the
    border, in which outlying points have less of a say than in the contrast: that with half and
    with twice the correction must not be greater.

    Parameters
    ----------
    found
        What is known of the distortion.
    boldref
        Mean of the realigned volumes, with its distortion.
    anat
        Derivatives of the T1w image; without them nothing is checked.
    """
    if found.shift is None or anat is None:
        return found
    shift, border = found.shift, border_of(anat)
    volumes = {
        "corrected": without_distortion(boldref, shift),
        "opposite": without_distortion(boldref, shift.times(-1)),
        "uncorrected": boldref,
    }
    contrast, matrices = {}, {}
    for name, volume in volumes.items():
        matrices[name] = _placed(volume, border)
        displaced = _displaced(border, matrices[name], shift, DISPLACED_MM)
        if len(displaced) < BORDER_POINTS:
            return found
        contrast[name] = boundary_contrast(volume, displaced, matrices[name]).percent
    given = contrast["corrected"]
    gain = _agreement_gain(boldref, volumes["corrected"], border, matrices["corrected"], shift)
    cause = ""
    if contrast["opposite"] > given:
        cause = (
            f"with the opposite sign grey and white matter differ more across their border "
            f"({contrast['opposite']:.1f} %) than with that of the field map ({given:.1f} %): "
            "PhaseEncodingDirection or the sign of the field is wrong"
        )
    elif contrast["uncorrected"] > given + CONTRAST_LOST_PERCENT:
        cause = (
            f"without it grey and white matter differ more across their border "
            f"({contrast['uncorrected']:.1f} %) than with it ({given:.1f} %): unit, echo times or "
            "TotalReadoutTime may be wrong"
        )
    elif gain["half"] > HALF_MORE:
        cause = (
            f"with half of it grey and white matter agree better with their border (by "
            f"{gain['half']:.3f}): the field is too strong, by its unit, its echo times or "
            "TotalReadoutTime"
        )
    elif gain["double"] > DOUBLE_MORE:
        cause = (
            f"with twice of it grey and white matter agree better with their border (by "
            f"{gain['double']:.3f}): the field is too weak, by its unit, its echo times or "
            "TotalReadoutTime"
        )
    if not cause:
        return replace(found, contrast_percent=contrast, agreement_gain=gain)
    note = f"Susceptibility is not corrected by {found.source}: {cause}."
    return Susceptibility(
        None, "none", "", (*found.notes, note), (*found.refused, found.source), contrast, gain
    )


def _agreement_gain(
    boldref: nib.Nifti1Image,
    corrected: nib.Nifti1Image,
    border: Border,
    matrix: np.ndarray,
    shift: Shift,
) -> dict[str, float]:
    """By how much better the border agrees with half and with double the correction."""
    part = _displaced(border, matrix, shift, STRENGTH_MM)
    given = agreement_near(corrected, border, part, matrix)
    return {
        name: agreement_near(without_distortion(boldref, shift.times(by)), border, part, matrix)
        - given
        for name, by in (("half", 0.5), ("double", 2.0))
    }


def _placed(volume: nib.Nifti1Image, border: Border) -> np.ndarray:
    """The way of a border to a volume, 4x4."""
    data = np.asarray(volume.dataobj)
    centre = nib.affines.apply_affine(
        volume.affine, np.argwhere(brain_mask(data, volume.affine)).mean(axis=0)
    )
    starts = [np.eye(4), *centred_starts(border, centre)]
    return find_placements(volume, border, {"centre": starts})[0].matrix


def _displaced(border: Border, matrix: np.ndarray, shift: Shift, more_than_mm: float) -> Border:
    """The part of a border that a field displaces by more than that."""
    voxels, _ = shift.at(border.moved(matrix).places.T)
    far = np.abs(voxels) * zooms_mm(shift.affine)[shift.axis] > more_than_mm
    return Border(border.white[far], border.grey[far])


def _absent(scan: Scan) -> list[str]:
    """Why no field map serves, where none belongs to the run."""
    notes = unused_field_maps(scan)
    if notes:
        return notes
    others = visit_field_maps(scan)
    if others:
        return [f"Susceptibility is not corrected: {', '.join(others)} are for other images."]
    return ["Susceptibility is not corrected: the visit has no field map (fmap/)."]
