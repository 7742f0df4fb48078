"""Finding the brain: is the skull still there, where does the brain end, how bright is the coil."""

from __future__ import annotations

from typing import Literal

import nibabel as nib
import numpy as np

from commissure.errors import DatasetError
from commissure.images.grid import resample_to
from commissure.images.load import voxel_volume_mm3, zooms_mm
from commissure.images.registration import to_ants
from commissure.images.template import head_brain_mask, template, whole_head

#: A head with its skull is larger than this, a brain without it is not (litres).
STRIPPED_BELOW_L = 2.3

#: Below this nothing like a human brain is in the image (litres).
BRAIN_ABOVE_L = 0.4


def foreground_litres(image: nib.Nifti1Image) -> float:
    """Volume of what stands out of the background, in litres.

    The background is the value that the image has at most of its eight corners; a head with skull
    fills 3 to 6 litres around it (air noise counts, where the scanner left it), a stripped brain
    1 to 2 litres.
    """
    data = np.asanyarray(image.dataobj)
    corners = data[np.ix_(*([0, -1] for _ in range(3)))].ravel()
    background = np.median(corners)
    spread = 1e-6 * float(np.ptp(data))
    inside = int((np.abs(data - background) > spread).sum())
    return inside * voxel_volume_mm3(image.affine) / 1e6


def is_stripped(
    image: nib.Nifti1Image,
    *,
    wanted: Literal["auto", "yes", "no"] = "auto",
    said: bool | None = None,
) -> bool:
    """Whether a T1w image comes without its skull.

    Parameters
    ----------
    image
        3-D T1w.
    wanted
        The setting: ``yes`` and ``no`` decide, ``auto`` asks further.
    said
        ``SkullStripped`` of the sidecar, None where it does not say. A ``false`` is not believed,
        because converters write it by default.

    Notes
    -----
    Without a word from either, the image is stripped when its foreground
    (:func:`foreground_litres`) is smaller than :data:`STRIPPED_BELOW_L`.
    """
    if wanted != "auto":
        return wanted == "yes"
    return bool(said) or foreground_litres(image) < STRIPPED_BELOW_L


def check_head(image: nib.Nifti1Image, *, who: str, name: str) -> None:
    """Refuse an image that cannot hold a brain.

    Raises
    ------
    DatasetError
        The field of view is too small, or voxels are larger than 5 mm.
    """
    size = np.array(zooms_mm(image.affine)) * image.shape
    if size.min() < 80:
        raise DatasetError(
            who,
            found=f"{name} spans {' x '.join(f'{s:.0f}' for s in size)} mm",
            wanted="a field of view of at least 80 mm in each direction",
            mend=f"Replace {name} by an image of the whole brain, or mend its voxel size",
        )
    if max(zooms_mm(image.affine)) > 5:
        raise DatasetError(
            who,
            found=f"{name} has voxels of {max(zooms_mm(image.affine)):.3g} mm",
            wanted="at most 5 mm",
            mend=f"Use a structural image instead of {name}, or mend its voxel size",
        )
    if foreground_litres(image) < BRAIN_ABOVE_L:
        raise DatasetError(
            who,
            found=f"{foreground_litres(image):.2f} litres of {name} differ from its background",
            wanted=f"at least {BRAIN_ABOVE_L} litres, as a brain has",
            mend=f"Check whether {name} is complete and its voxel size is right",
        )


def sharp_head() -> nib.Nifti1Image:
    """The template's own brain in the averaged head (2 mm): one target for skull and sulci alike.

    The head alone is a linear average whose sulci have been blurred away; the template alone has
    no skull. The averaged brain's glow outside the mask is faded out.
    """
    from scipy.ndimage import gaussian_filter

    head, brain = whole_head(), template("T1w", resolution_mm=2.0)
    mask = np.asanyarray(head_brain_mask().dataobj)
    inner = resample_to(brain, head.shape, head.affine) * mask
    outer = np.asanyarray(head.dataobj)
    outer = outer * np.median(inner[mask > 0]) / np.median(outer[mask > 0])
    cover = np.clip(2 * gaussian_filter(mask, 1.0), 0, 1)
    return nib.Nifti1Image((inner + outer * (1 - cover) * (1 - mask)).astype(np.float32), head.affine)


def bias_field(
    image: nib.Nifti1Image, mask: np.ndarray, *, grid_mm: float = 8.0
) -> np.ndarray:
    """Estimate the receive coil's smooth brightness by N4.

    Parameters
    ----------
    image
        3-D T1w.
    mask
        Where the brain is, on the image's grid.
    grid_mm
        Voxels are skipped so that about this spacing remains.

    Returns
    -------
    numpy.ndarray
        float32, the image's shape, 1 on average inside the mask; divide the image by it.

    Notes
    -----
    Tustison NJ et al., N4ITK: improved N3 bias correction, IEEE TMI 29:1310-1320, 2010.
    """
    from ants import n4_bias_field_correction

    shrink = max(1, round(grid_mm / min(zooms_mm(image.affine))))
    field = n4_bias_field_correction(
        to_ants(image),
        mask=to_ants(nib.Nifti1Image(mask.astype(np.float32), image.affine)),
        shrink_factor=shrink,
        convergence={"iters": [50, 50], "tol": 1e-7},
        spline_param=200,
        return_bias_field=True,
    ).numpy()
    return (field / np.exp(np.log(field[mask]).mean())).astype(np.float32)
