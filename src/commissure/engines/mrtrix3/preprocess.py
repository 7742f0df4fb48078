"""A raw diffusion series through MRtrix3: denoising, ringing, brain mask and tensor are its own.

Head motion, eddy currents, dropout slices and susceptibility are undone by the built-in engine's
code: MRtrix3 leaves them to FSL's ``topup`` and ``eddy`` (``dwifslpreproc``), which are not free
for every use and are not packaged with it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import nipype
import numpy as np
from nipype.interfaces import mrtrix3

from commissure.dwi.builtin import preprocess as builtin
from commissure.dwi.builtin.steps import Steps
from commissure.dwi.builtin.to_t1w import refuse_no_brain
from commissure.dwi.derivatives import DwiFiles
from commissure.dwi.gradients import Gradients, write_gradients
from commissure.dwi.settings import DwiPreprocessSettings
from commissure.dwi.tensor import TensorMaps
from commissure.engines.mrtrix3.programs import run, version
from commissure.images.anat_files import AnatFiles
from commissure.names import Scan


def preprocess(
    scan: Scan, folder: Path, *, anat: AnatFiles | None, settings: DwiPreprocessSettings
) -> DwiFiles:
    """Preprocess one diffusion series with MRtrix3, and write the files of the built-in engine.

    Parameters
    ----------
    scan, folder, anat, settings
        As of :func:`commissure.dwi.builtin.preprocess.preprocess`. ``denoise_step_voxels`` is not
        read: ``dwidenoise`` visits every voxel.

    Returns
    -------
    DwiFiles
        The files that were written.

    Raises
    ------
    DatasetError, QualityError
        As of the built-in engine; and where a program of MRtrix3 fails, with its own last words.

    Notes
    -----
    Tournier JD et al., MRtrix3: A fast, flexible and open software framework for medical image
    processing and visualisation, NeuroImage 202:116137, 2019.
    """
    return builtin.preprocess(scan, folder, anat=anat, settings=settings, steps=MRTRIX3)


def denoised(
    series: np.ndarray, mask: np.ndarray, *, step: int = 1, who: str
) -> tuple[np.ndarray, np.ndarray]:
    """Denoise a series by ``dwidenoise``.

    Parameters
    ----------
    series
        ``(x, y, z, volumes)``, not yet interpolated.
    mask
        3-D, where to denoise; the rest is returned as it came.
    step
        Not read: every voxel has a patch of its own.
    who
        Person and visit, for the error message.

    Returns
    -------
    denoised : numpy.ndarray
        float32, like ``series``.
    noise : numpy.ndarray
        3-D, standard deviation of the noise; 0 outside the mask.
    """
    inside = np.asarray(mask) > 0
    with _working() as here:
        _write(series, here / "dwi.nii")
        _write(inside, here / "mask.nii")
        run(
            mrtrix3.DWIDenoise, here, who=who, in_file=str(here / "dwi.nii"),
            mask=str(here / "mask.nii"), noise=str(here / "noise.nii"),
            out_file=str(here / "denoised.nii"),
        )  # fmt: skip
        clean, noise = _read(here / "denoised.nii"), _read(here / "noise.nii")
    clean = np.where(inside[..., None], np.clip(clean, 0, None), series).astype(np.float32)
    return clean, np.where(inside, noise, 0).astype(np.float32)


def unrung(series: np.ndarray, mask: np.ndarray, *, who: str) -> np.ndarray:
    """Remove Gibbs ringing from the slices (first two axes) of a series by ``mrdegibbs``.

    Parameters
    ----------
    series
        ``(x, y, z, volumes)``.
    mask
        Not read: whole slices are mended.
    who
        Person and visit, for the error message.
    """
    with _working() as here:
        _write(series, here / "dwi.nii")
        run(
            mrtrix3.MRDeGibbs, here, who=who, in_file=str(here / "dwi.nii"), axes=[0, 1],
            out_file=str(here / "unrung.nii"),
        )  # fmt: skip
        return np.clip(_read(here / "unrung.nii"), 0, None)


def outlined(
    series: np.ndarray,
    gradients: Gradients,
    unweighted: np.ndarray,
    affine: np.ndarray,
    *,
    who: str,
) -> np.ndarray:
    """Outline the brain on a series by ``dwi2mask``, which looks at every shell.

    Parameters
    ----------
    series
        ``(x, y, z, volumes)``, as acquired.
    gradients
        One row per volume.
    unweighted
        Not read: ``dwi2mask`` finds the shells itself.
    affine
        4x4, voxel to mm.
    who
        Person and visit, for the error message.

    Returns
    -------
    numpy.ndarray
        3-D of bool.

    Raises
    ------
    QualityError
        What stands out has no brain's volume (0.3 to 3 l).
    """
    with _working() as here:
        _write(series, here / "dwi.nii", affine)
        run(
            mrtrix3.BrainMask, here, who=who, in_file=str(here / "dwi.nii"),
            grad_fsl=_write_table(gradients, affine, here), out_file=str(here / "mask.nii"),
        )  # fmt: skip
        mask = _read(here / "mask.nii").reshape(series.shape[:3]) > 0.5
    refuse_no_brain(mask, affine, who=who)
    return mask


def _outlined_again(
    b0: np.ndarray, carried: np.ndarray, affine: np.ndarray, *, who: str
) -> np.ndarray:
    """The mask of the series, moved along: on a b0 alone ``dwi2mask`` loses the dark middle."""
    return carried


def fitted_tensor(
    series: np.ndarray, gradients: Gradients, mask: np.ndarray, affine: np.ndarray, *, who: str
) -> TensorMaps:
    """Fit a tensor per voxel by ``dwi2tensor``: weighted least squares, twice reweighted.

    Parameters
    ----------
    series
        ``(x, y, z, volumes)``, b-values for which diffusion is Gaussian.
    gradients
        One row per volume, directions in the world.
    mask
        3-D, where to fit.
    affine
        4x4, voxel to mm.
    who
        Person and visit, for the error message.

    Returns
    -------
    TensorMaps
        As :func:`commissure.dwi.tensor.fit_tensor` has them.
    """
    inside = np.asarray(mask) > 0
    with _working() as here:
        paths = {name: str(here / f"{name}.nii") for name in
                 ("dwi", "mask", "tensor", "s0", "predicted", "fa", "md", "direction")}  # fmt: skip
        _write(series, here / "dwi.nii", affine)
        _write(inside, here / "mask.nii", affine)
        run(
            mrtrix3.FitTensor, here, who=who, in_file=paths["dwi"], in_mask=paths["mask"],
            grad_fsl=_write_table(gradients, affine, here), out_file=paths["tensor"],
            predicted_signal=paths["predicted"], args=f"-b0 {paths['s0']}",
        )  # fmt: skip
        run(
            mrtrix3.TensorMetrics, here, who=who, in_file=paths["tensor"], in_mask=paths["mask"],
            out_fa=paths["fa"], out_adc=paths["md"], out_evec=paths["direction"], modulate="none",
        )  # fmt: skip
        fa, md, s0, direction, predicted = (
            np.nan_to_num(_read(Path(paths[name]))) for name in
            ("fa", "md", "s0", "direction", "predicted")
        )  # fmt: skip
    residual = np.zeros(inside.shape, np.float32)
    # Where a signal is 0 the prediction of another volume may be beyond single precision.
    squares = (series[inside].astype(float) - predicted[inside]) ** 2
    residual[inside] = np.sqrt(squares.sum(axis=1) / max(series.shape[3] - 7, 1))
    fa, md, s0 = (np.where(inside, each, 0) for each in (fa, md, s0))
    return TensorMaps(np.clip(fa, 0, 1), md, direction * inside[..., None], s0, residual)


def _said() -> dict[str, Any]:
    """What the sidecar says of the programs."""
    return {
        "GeneratedBy": [
            {"Name": "MRtrix3", "Version": version()},
            {"Name": "Nipype", "Version": nipype.__version__},
        ],
        "RealignedBy": "Commissure: MRtrix3 leaves movement and distortions to FSL",
    }


#: What MRtrix3 does in place of the built-in engine's steps.
MRTRIX3 = Steps(denoised, unrung, outlined, _outlined_again, fitted_tensor, "dwidenoise", _said)


@contextmanager
def _working() -> Iterator[Path]:
    """A folder for the files of one call."""
    with tempfile.TemporaryDirectory(prefix="mrtrix3-") as folder:
        yield Path(folder)


def _write(data: np.ndarray, path: Path, affine: np.ndarray | None = None) -> None:
    """Write an image without compression; what looks at voxels alone needs no affine."""
    kind = np.uint8 if data.dtype == bool else np.float32
    nib.save(nib.Nifti1Image(data.astype(kind), np.eye(4) if affine is None else affine), path)


def _read(path: Path) -> np.ndarray:
    return np.asanyarray(nib.Nifti1Image.from_filename(path).dataobj).astype(np.float32)


def _write_table(gradients: Gradients, affine: np.ndarray, folder: Path) -> tuple[str, str]:
    """Write b-vectors and b-values, in the order in which ``-fslgrad`` takes them."""
    bval, bvec = folder / "dwi.bval", folder / "dwi.bvec"
    write_gradients(gradients, affine, bval, bvec)
    return str(bvec), str(bval)
