"""The brain by deepbet: a network whose weights lie in its package. The extra ``deep``."""

from __future__ import annotations

import warnings
from importlib.metadata import version

import nibabel as nib
import numpy as np

from commissure.anat.settings import BrainExtraction
from commissure.errors import DatasetError
from commissure.torch_device import prepared_torch


def deepbet_mask(image: nib.Nifti1Image) -> np.ndarray:
    """Find the brain by deepbet: on the job's graphics processor, or with one thread without.

    Parameters
    ----------
    image
        3-D T1w with its skull, any orientation; intensities may be shaded.

    Returns
    -------
    numpy.ndarray
        (X, Y, Z) bool on the image's grid: one part, without holes.

    Raises
    ------
    DatasetError
        The network sees no brain.

    Notes
    -----
    Fisch L et al., deepbet: fast brain extraction of T1-weighted MRI using convolutional neural
    networks, Computers in Biology and Medicine 179:108845, 2024. It takes about 1.2 GB of memory.
    """
    place = prepared_torch()
    from deepbet import BrainExtraction as Network

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`torch.jit.load` is deprecated", DeprecationWarning)
            _, mask, _ = Network(no_gpu=place == "cpu").run(image)
    except (AssertionError, ValueError) as error:  # of an empty mask
        raise DatasetError(
            "the T1w image",
            found=f"deepbet sees no brain in it ({error})",
            wanted="a T1-weighted head",
            mend="Look at the image, or set anat.brain_extraction: builtin in config.yaml",
        ) from error
    return np.asanyarray(mask.dataobj) > 0


def extraction_record(by: BrainExtraction, *, stripped: bool) -> dict[str, str]:
    """What found the brain, with versions and device that decide the result: for a sidecar."""
    if stripped:
        return {"Name": "foreground"}
    if by == "deepbet":
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        versions = {"Version": version(by), "TorchVersion": version("torch")}
        return {"Name": by, **versions, "Device": device}
    return {"Name": by}
