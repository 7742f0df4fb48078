"""Lesions that a network marks, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy.ndimage import find_objects

from commissure.images.grid import resample_to
from commissure.images.load import voxel_volume_mm3
from commissure.lesion.masks import numbered_parts
from commissure.lesion.network.card import PACKAGES, NetworkCard
from commissure.lesion.network.prepared_images import padded, prepared_image
from commissure.lesion.network.settings import NetworkShape
from commissure.lesion.network.unet import read_network, software
from commissure.torch_device import Device, prepared_torch, require_packages

#: Axes along which the image is mirrored, one pass each; the first is the image as it is.
MIRRORED = ((), (0,), (1,), (0, 1), (2,), (0, 2), (1, 2), (0, 1, 2))

#: Share of a window that lies in the next one, too.
_OVERLAP = 0.5

#: Voxels around a lesion in which passes are compared.
_AROUND = 2


@dataclass(frozen=True)
class MarkedLesion:
    """How sure a network is of a lesion.

    Attributes
    ----------
    label
        Its number in the mask.
    volume_mm3
        Voxels times their volume.
    probability
        Mean over its voxels.
    agreement
        Mean Dice coefficient of each pass with all together, in a box around it.
    """

    label: int
    volume_mm3: float
    probability: float
    agreement: float


@dataclass(frozen=True)
class MarkedImage:
    """What a network says of an image, on the grid of the image.

    Attributes
    ----------
    labels
        (X, Y, Z) int32: lesions by their numbers, the largest first, 0 outside.
    probability
        (X, Y, Z) float32: of a lesion, mean of all passes.
    entropy
        (X, Y, Z) float32: of that probability, in bits; 1 where it is one half.
    agreement
        Mean Dice coefficient of the mask of each pass with that of all together; None where no
        pass marks anything.
    lesions
        Of each label.
    too_small
        How many parts were left out by the size floor.
    """

    labels: np.ndarray
    probability: np.ndarray
    entropy: np.ndarray
    agreement: float | None
    lesions: tuple[MarkedLesion, ...]
    too_small: int


@dataclass(frozen=True)
class Network:
    """A network that is ready to be applied.

    Attributes
    ----------
    card
        What is known of it.
    module
        Of torch, on the device.
    device
        ``cpu`` or ``cuda``.
    """

    card: NetworkCard
    module: Any
    device: str


def ready_network(folder: Path | str, *, device: Device = "auto", threads: int = 1) -> Network:
    """Read a stored network and bring it to where it computes.

    Raises
    ------
    ConfigError
        The extra ``deep`` is not installed, or no graphics processor can be used.
    DatasetError
        As :func:`commissure.lesion.network.unet.read_network`.
    """
    require_packages("the network", PACKAGES, otherwise="give the masks")
    where = prepared_torch(device, threads=threads)
    card, module = read_network(folder)
    return Network(card, module.to(where), where)


@lru_cache(maxsize=1)
def network_of(folder: str, digest: str) -> Network:
    """As :func:`ready_network`, read once in a process as long as its digest is the same."""
    del digest
    return ready_network(folder)


def marked_by(
    network: Network,
    image: nib.Nifti1Image,
    *,
    floor_mm3: float,
    who: str,
    passes: int = len(MIRRORED),
) -> MarkedImage:
    """Mark the lesions of an image.

    Parameters
    ----------
    network
        The network.
    image
        3-D, of the kind that the network takes; CT in Hounsfield units.
    floor_mm3
        Connected parts below this volume are left out.
    who
        The person and visit, for errors.
    passes
        How many of :data:`MIRRORED` are taken: 1 to 8. With one there is no doubt to be seen.

    Raises
    ------
    DatasetError
        The image has no contrast.

    Notes
    -----
    Doubt by mirrored images: Wang G et al., Aleatoric uncertainty estimation with test-time
    augmentation for medical image segmentation, Neurocomputing 338:34-45, 2019. Of a lesion:
    Roy AG et al., Bayesian QuickNAT, NeuroImage 195:11-22, 2019.
    """
    prepared = prepared_image(image, network.card.shape, who=who)
    each = probabilities(
        network.module, network.card.shape, prepared.data, device=network.device, passes=passes
    )
    mean = each.mean(axis=0)
    there = nib.Nifti1Image(mean, prepared.affine)
    probability = resample_to(there, image.shape[:3], image.affine, outside="edge")
    probability = np.clip(probability, 0, 1)
    labels, too_small = without_small(probability >= 0.5, voxel_volume_mm3(image.affine), floor_mm3)
    small = nib.Nifti1Image(labels, image.affine)
    numbered = resample_to(small, mean.shape, prepared.affine, order=0)
    return MarkedImage(
        labels,
        probability,
        entropy_bits(probability),
        _agreement(each >= 0.5, mean >= 0.5),
        _of_lesions(labels, probability, voxel_volume_mm3(image.affine), each, mean, numbered),
        too_small,
    )


def probabilities(
    module: Any, shape: NetworkShape, data: np.ndarray, *, device: str, passes: int
) -> np.ndarray:
    """Probability of a lesion in every voxel by every pass, (passes, X, Y, Z) float32.

    Windows of the size of a patch slide over the image; where they overlap their middle counts
    more.
    """
    import torch
    from monai.inferers import sliding_window_inference

    low = float(data.min())
    wide = padded(data, shape.patch, low)
    each = []
    for axes in MIRRORED[:passes]:
        seen = torch.from_numpy(np.ascontiguousarray(np.flip(wide, axes)))[None, None]
        with torch.no_grad():
            logits = sliding_window_inference(
                seen.to(device), shape.patch, 4, module, overlap=_OVERLAP, mode="gaussian"
            )
            said = torch.sigmoid(logits)[0, 0].cpu().numpy()  # type: ignore[union-attr,index]
        x, y, z = data.shape
        each.append(np.flip(said, axes)[:x, :y, :z])
    return np.stack(each).astype(np.float32)


def without_small(mask: np.ndarray, voxel_mm3: float, floor_mm3: float) -> tuple[np.ndarray, int]:
    """Connected parts of a mask numbered by size, and how many below a volume were left out."""
    parts = numbered_parts(mask)
    sizes = np.bincount(parts.ravel(), minlength=1)[1:] * voxel_mm3
    kept = int((sizes >= floor_mm3).sum())
    return np.where(parts <= kept, parts, 0).astype(np.int32), len(sizes) - kept


def marking_record(network: Network, marked: MarkedImage) -> dict[str, Any]:
    """By which network an image was marked, and how sure it is: for a sidecar."""
    return {
        "Weights": network.card.digest,
        "Device": network.device,
        **software(),
        "Agreement": marked.agreement,
        "TooSmall": marked.too_small,
        "Lesions": [asdict(lesion) for lesion in marked.lesions],
    }


def entropy_bits(probability: np.ndarray) -> np.ndarray:
    """Entropy of a yes or no, in bits."""
    p = np.clip(probability.astype(np.float64), 1e-12, 1 - 1e-12)
    return (-p * np.log2(p) - (1 - p) * np.log2(1 - p)).astype(np.float32)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Dice coefficient of two masks; 1 where both are empty."""
    total = int(first.sum()) + int(second.sum())
    return 2 * int((first & second).sum()) / total if total else 1.0


def _agreement(each: np.ndarray, together: np.ndarray) -> float | None:
    if not (each.any() or together.any()):
        return None
    return float(np.mean([dice(one, together) for one in each]))


def _of_lesions(
    labels: np.ndarray,
    probability: np.ndarray,
    voxel_mm3: float,
    each: np.ndarray,
    mean: np.ndarray,
    numbered: np.ndarray,
) -> tuple[MarkedLesion, ...]:
    boxes: Sequence[Any] = find_objects(numbered, max_label=int(labels.max(initial=0)))
    lesions = []
    for number, (own, box) in enumerate(zip(find_objects(labels), boxes, strict=True), start=1):
        inside = labels[own] == number
        agreement = 1.0
        if box is not None:
            wide = tuple(slice(max(0, s.start - _AROUND), s.stop + _AROUND) for s in box)
            agreement = _agreement(each[:, *wide] >= 0.5, mean[wide] >= 0.5) or 0.0
        lesions.append(
            MarkedLesion(
                number,
                float(inside.sum() * voxel_mm3),
                float(probability[own][inside].mean()),
                agreement,
            )
        )
    return tuple(lesions)
