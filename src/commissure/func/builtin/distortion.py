"""Susceptibility distortion of a BOLD run: from what it is known, and whether it helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np

from commissure.func.builtin.normalisation import brain_mask
from commissure.func.builtin.realign import Motion, mean_volume
from commissure.images.distortion import (
    field_map_kind,
    field_of_opposed_pair,
    shift_from_field_map,
    shift_from_opposed_image,
)
from commissure.images.field_map import head_mask
from commissure.images.field_map_files import unused_field_maps, visit_field_maps
from commissure.images.grid import sampled_at, world_places
from commissure.images.susceptibility import Shift
from commissure.names import Scan

#: Volumes at the start that are compared with an opposed image, which is as short.
FIRST_VOLUMES = 3


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
        Contrast of grey and white matter where the image is displaced: corrected, and corrected
        with the opposite sign; None where it was not measured.
    """

    shift: Shift | None
    method: str
    source: str
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    contrast_percent: tuple[float, float] | None = None

    def undone(self, volume: nib.Nifti1Image) -> nib.Nifti1Image:
        """A volume of the reference's pose without its distortion, on its own grid."""
        return volume if self.shift is None else without_distortion(volume, self.shift)

    def sidecar(self) -> dict[str, Any]:
        """What the JSON of the series says of it."""
        fields: dict[str, Any] = {"SusceptibilityDistortionCorrection": self.method}
        if self.shift is not None:
            fields["SusceptibilityDistortionSource"] = self.source
        if self.contrast_percent is not None:
            right, wrong = self.contrast_percent
            fields["SusceptibilityContrastPercent"] = {"given": right, "opposite": wrong}
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
        field = field_of_opposed_pair(scan, notes) if "epi_same" in scan.associated else None
        if field is not None:
            shift = shift_from_field_map(
                scan, metadata, reference, mask, affine, notes, field=field, source=source
            )
        else:
            first = min(FIRST_VOLUMES, series.shape[3])
            start = Motion(motion.parameters[:first], motion.centre_mm)
            volume = mean_volume(series[..., :first], affine, start)
            # The brain of a squashed image is cut short; what the field pushed out of it counts.
            head = head_mask(volume, affine)
            shift = shift_from_opposed_image(scan, metadata, volume, head, affine, notes)
        if shift is not None:
            return Susceptibility(shift, "PEPOLAR", source, tuple(notes))
    if kind:
        source = scan.associated[kind].name
        shift = shift_from_field_map(scan, metadata, reference, mask, affine, notes)
        if shift is not None:
            method = "MAPPED" if kind == "fieldmap" else "PHASEDIFF"
            return Susceptibility(shift, method, source, tuple(notes))
    refused = [scan.associated[key].name for key in ("epi", kind) if key in scan.associated]
    return Susceptibility(None, "none", "", tuple(notes or _absent(scan)), tuple(refused))


def _absent(scan: Scan) -> list[str]:
    """Why no field map serves, where none belongs to the run."""
    notes = unused_field_maps(scan)
    if notes:
        return notes
    others = visit_field_maps(scan)
    if others:
        return [f"Susceptibility is not corrected: {', '.join(others)} are for other images."]
    return ["Susceptibility is not corrected: the visit has no field map (fmap/)."]
