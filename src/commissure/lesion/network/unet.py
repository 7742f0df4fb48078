"""The network itself: a 3-D U-Net by MONAI (extra ``deep``), and its weights as arrays.

References
----------
Ronneberger O, Fischer P, Brox T, U-Net: convolutional networks for biomedical image segmentation,
MICCAI 2015; Cardoso MJ et al., MONAI: an open-source framework for deep learning in healthcare,
arXiv:2211.02701.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from commissure.errors import ConfigError, DatasetError
from commissure.files import atomic, write_json
from commissure.lesion.network.card import (
    CARD,
    FORMAT,
    WEIGHTS,
    NetworkCard,
    check_weights,
    read_card,
)
from commissure.lesion.network.settings import Device, NetworkShape


def prepared_torch(device: Device, *, threads: int = 1) -> str:
    """Set torch up so that two runs give the same bits, and choose where it computes.

    Returns
    -------
    str
        ``cpu`` or ``cuda``.

    Raises
    ------
    ConfigError
        A graphics processor is asked for and none can be used.
    """
    # cuBLAS gives the same result twice only with a workspace of its own, set before it is loaded.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Only here: the extra need not be installed, and torch takes a second to import.
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "--device",
            found="cuda, and torch sees no graphics processor",
            wanted="a machine that has one, and a build of torch for CUDA",
            mend="Use --device cpu",
        )
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def new_unet(shape: NetworkShape, *, seed: int) -> Any:
    """A U-Net with drawn weights, a ``torch.nn.Module`` on the processor.

    It gives one logit a voxel. Levels have one residual unit of convolutions of 3 x 3 x 3, instance
    normalisation and PReLU.
    """
    import torch
    from monai.networks.nets import UNet

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet(
            spatial_dims=3, in_channels=1, out_channels=1, channels=shape.channels,
            strides=shape.strides, num_res_units=1,
        )  # fmt: skip


def arrays_of(module: Any) -> dict[str, np.ndarray]:
    """Weights of a module by name, as float32 arrays."""
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


def packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays as the bytes of an ``npz`` file; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpacked(content: bytes, *, who: str) -> dict[str, np.ndarray]:
    """Arrays of the bytes of an ``npz`` file; objects are refused.

    Raises
    ------
    DatasetError
        It cannot be read, or holds something else than arrays.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DatasetError(
            who, found=f"it cannot be read ({error})", wanted="arrays of numbers (npz)"
        ) from error


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
    arrays = unpacked(check_weights(card), who=f"{WEIGHTS} of {folder}")
    module = new_unet(card.shape, seed=0)
    load_arrays(module, arrays, who=f"{WEIGHTS} of {folder}")
    module.eval()
    return card, module


def software() -> dict[str, str]:
    """Versions of the packages that decide the result."""
    return {name: version(name) for name in ("commissure", "monai", "torch")}
