"""The network itself: a 3-D U-Net by MONAI (extra ``deep``), and its weights as arrays.

References
----------
Ronneberger O, Fischer P, Brox T, U-Net: convolutional networks for biomedical image segmentation,
MICCAI 2015; Cardoso MJ et al., MONAI: an open-source framework for deep learning in healthcare,
arXiv:2211.02701.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from commissure.errors import DatasetError
from commissure.files import atomic, write_json
from commissure.lesion.network.card import (
    CARD,
    FORMAT,
    WEIGHTS,
    NetworkCard,
    check_weights,
    read_card,
)
from commissure.lesion.network.settings import NetworkShape
from commissure.stored_arrays import packed, unpacked

#: Log odds of a lesion in a voxel before anything is learnt. From even odds a training first learns
#: that there is none, and may stay there (Lin TY et al., Focal loss, ICCV 2017, section 3.3).
_RARE = -5.0


def new_unet(shape: NetworkShape, *, seed: int) -> Any:
    """A U-Net with drawn weights, a ``torch.nn.Module`` on the processor.

    It gives one logit a voxel. Levels have one residual unit of convolutions of 3 x 3 x 3, batch
    normalisation and PReLU. Normalised by the statistics of a window, as instance normalisation
    does, fat alone looks like liver alone, and lesions are marked in it.
    """
    import torch
    from monai.networks.nets import UNet

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = UNet(
            spatial_dims=3, in_channels=1, out_channels=1, channels=shape.channels,
            strides=shape.strides, num_res_units=1, norm="batch",
        )  # fmt: skip
    last = [part for part in module.modules() if isinstance(part, torch.nn.Conv3d)][-1]
    torch.nn.init.constant_(last.bias, _RARE)  # type: ignore[arg-type]
    # Channels of a voxel side by side: convolutions take three fifths of the time.
    return module.to(memory_format=torch.channels_last_3d)


def arrays_of(module: Any) -> dict[str, np.ndarray]:
    """Weights of a module by name, with the statistics and counts of its normalisations."""
    return {key: value.detach().cpu().numpy() for key, value in module.state_dict().items()}


def load_arrays(module: Any, arrays: Mapping[str, np.ndarray], *, who: str) -> None:
    """Give a module its weights.

    Raises
    ------
    DatasetError
        They are of another architecture.
    """
    import torch

    wanted = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    there = {key: array.shape for key, array in arrays.items()}
    if wanted != there:
        odd = sorted(set(wanted.items()) ^ set(there.items()))
        raise DatasetError(
            who,
            found=f"weights of another architecture: {len(odd)} names or shapes differ, as "
            f"{odd[0][0]} {odd[0][1]}",
            wanted="the architecture that is asked for",
            mend="Give the options with which it was trained, or train into another folder",
        )
    module.load_state_dict({key: torch.from_numpy(array.copy()) for key, array in arrays.items()})


def write_network(
    folder: Path, arrays: Mapping[str, np.ndarray], shape: NetworkShape, about: Mapping[str, Any]
) -> str:
    """Write weights and card, the card last.

    Returns
    -------
    str
        SHA-256 of the weights.
    """
    content = packed(arrays)
    digest = hashlib.sha256(content).hexdigest()
    with atomic(folder / WEIGHTS) as draft:
        draft.write_bytes(content)
    card = {
        "format": FORMAT,
        "description": "A 3-D U-Net that marks lesions",
        "shape": shape.model_dump(mode="json"),
        "weights_sha256": digest,
        **about,
    }
    write_json(card, folder / CARD)
    return digest


def read_network(folder: Path | str) -> tuple[NetworkCard, Any]:
    """Read a stored network.

    Returns
    -------
    card : NetworkCard
    module : torch.nn.Module
        Ready to be applied, on the processor.

    Raises
    ------
    DatasetError
        There is none, or weights and card do not belong together.
    """
    card = read_card(folder)
    arrays = unpacked(check_weights(card), who=f"{WEIGHTS} of {folder}", what="weights")
    module = new_unet(card.shape, seed=0)
    load_arrays(module, arrays, who=f"{WEIGHTS} of {folder}")
    module.eval()
    return card, module


def software() -> dict[str, str]:
    """Versions of the packages that decide the result."""
    return {name: version(name) for name in ("commissure", "monai", "torch")}
