"""What the header of an image says, held against what can be true of a magnitude image."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from commissure.errors import DatasetError

#: Axes of the two forms of a header that lie further apart exchange sides, or top and bottom.
FORMS_APART_MAX_DEG = 45.0

#: Below this they are the same but for rounding (measured images: 0.000).
FORMS_APART_TOLD_DEG = 1.0

#: A scanner's grid is rectangular (measured images: 0.000).
SHEAR_MAX_DEG = 2.0

#: Voxel sizes in ``pixdim`` and in the sform may differ by rounding (measured images: 0.00001).
VOXEL_SIZE_TOLERANCE = 0.02

#: No scanner has its centre further from the image.
OFFSET_MAX_MM = 10_000.0


def check_header(image: nib.Nifti1Image, *, who: str, name: str) -> None:
    """Refuse headers that do not say where left is, contradict themselves, or turn the contrast.

    Parameters
    ----------
    image
        As nibabel opened it.
    who
        Person and visit, for the error message.
    name
        Of the file.

    Raises
    ------
    DatasetError
        The voxels are complex numbers or colours, the scale is negative, both orientation codes
        are 0, the grid is singular, sheared or far away, or sform, qform and pixdim contradict
        each other.
    """
    _check_kind(image, who, name)
    _check_codes(image, who, name)
    _check_grid(np.asarray(image.affine, dtype=float), who, name)
    _check_forms(image, who, name)


def header_notes(image: nib.Nifti1Image) -> list[str]:
    """What of an accepted header the reader of a quality record should know."""
    apart = forms_apart_deg(image)
    if apart is None or apart <= FORMS_APART_TOLD_DEG:
        return []
    return [f"The header's sform and qform are turned by {apart:.1f} degrees; the sform holds."]


def forms_apart_deg(image: nib.Nifti1Image) -> float | None:
    """Largest angle between the same axis in sform and qform; None unless both are set."""
    if not (_code(image, "sform_code") and _code(image, "qform_code")):
        return None
    sform, qform = (_unit_axes(form) for form in (image.header.get_sform(), _qform(image)))
    cosine = np.clip((sform * qform).sum(axis=0), -1, 1)
    return float(np.degrees(np.arccos(cosine)).max())


def _code(image: nib.Nifti1Image, key: str) -> int:
    return int(image.header[key])


def _qform(image: nib.Nifti1Image) -> np.ndarray:
    """The qform; a singular one where its quaternion cannot be read."""
    try:
        return np.asarray(image.header.get_qform(), dtype=float)
    except ValueError:
        return np.zeros((4, 4))


def _unit_axes(affine: np.ndarray) -> np.ndarray:
    axes = np.asarray(affine, dtype=float)[:3, :3]
    length = np.sqrt((axes**2).sum(axis=0))
    return axes / np.where(length > 0, length, 1.0)


def _check_kind(image: nib.Nifti1Image, who: str, name: str) -> None:
    """Refuse voxels that are no intensities, and a scale that turns bright into dark."""
    dtype = image.get_data_dtype()
    if dtype.kind in "cV":
        kind = "complex numbers" if dtype.kind == "c" else "colours (RGB)"
        raise DatasetError(
            who,
            found=f"the voxels of {name} are {kind}",
            wanted="one intensity per voxel (a magnitude image)",
            mend=f"Export the magnitude, and write it as {name}",
        )
    slope = getattr(image.dataobj, "slope", 1.0)
    if slope < 0:
        raise DatasetError(
            who,
            found=f"scl_slope of {name} is {slope:g}, which makes bright voxels dark",
            wanted="a positive scale",
            mend=f"Convert {name} again",
        )


def _check_codes(image: nib.Nifti1Image, who: str, name: str) -> None:
    if not (_code(image, "sform_code") or _code(image, "qform_code")):
        raise DatasetError(
            who,
            found=f"sform_code and qform_code of {name} are 0: its header does not say which side "
            "is left",
            wanted="an orientation in the header",
            mend=f"Convert {name} again from what the scanner wrote, or set its sform where left "
            "and right are known",
        )


def _check_grid(affine: np.ndarray, who: str, name: str) -> None:
    """Refuse voxel axes that cannot be those of a scan."""
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-6:
        raise DatasetError(
            who,
            found=f"the affine of {name} is singular",
            wanted="voxel axes with a length and a direction",
            mend=f"Set the sform of {name}",
        )
    axes = _unit_axes(affine)
    between = np.clip((axes.T @ axes)[np.triu_indices(3, 1)], -1, 1)
    shear = float(np.degrees(np.abs(np.arcsin(between))).max())
    if shear > SHEAR_MAX_DEG:
        raise DatasetError(
            who,
            found=f"the voxel axes of {name} are {shear:.1f} degrees from being perpendicular",
            wanted=f"a rectangular grid (up to {SHEAR_MAX_DEG:g} degrees)",
            mend=f"Set the sform of {name} as the scanner had it, or resample the image",
        )
    far = float(np.abs(affine[:3, 3]).max())
    if far > OFFSET_MAX_MM:
        raise DatasetError(
            who,
            found=f"the header of {name} places it {far / 1000:.3g} m from the scanner's centre",
            wanted=f"at most {OFFSET_MAX_MM / 1000:g} m",
            mend=f"Set the sform of {name}",
        )


def _check_forms(image: nib.Nifti1Image, who: str, name: str) -> None:
    """Refuse sform, qform and pixdim that contradict each other."""
    apart = forms_apart_deg(image)
    if apart is not None and apart > FORMS_APART_MAX_DEG:
        raise DatasetError(
            who,
            found=f"an axis of the sform of {name} is turned by {apart:.0f} degrees against the "
            "qform's, so that sides are exchanged",
            wanted="the same orientation in both",
            mend=f"Find out which one is right, and set both forms of {name} to it",
        )
    if not _code(image, "sform_code"):
        return
    stated = np.asarray(image.header["pixdim"][1:4], dtype=float)
    size = np.sqrt((image.header.get_sform()[:3, :3] ** 2).sum(axis=0))
    # All 1 is what stands there when nobody set it.
    if (stated == 1).all() or np.abs(stated / size - 1).max() <= VOXEL_SIZE_TOLERANCE:
        return
    raise DatasetError(
        who,
        found=f"voxels of {name} measure {' x '.join(f'{v:.4g}' for v in stated)} mm by pixdim and "
        f"{' x '.join(f'{v:.4g}' for v in size)} mm by the sform",
        wanted="the same size in both",
        mend=f"Find out which one is right, and set both in {name}",
    )
