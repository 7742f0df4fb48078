"""The networks, as PyTorch builds them."""

from __future__ import annotations

from typing import Any

import numpy as np

from commissure.models.encoders.settings import PretrainingSettings
from commissure.models.encoders.torch_types import Sequential

#: Channels of the blocks of the network for maps: 0.3 million parameters.
CHANNELS = (16, 32, 64, 96)
#: Numbers in which people are compared while they learn; the embedding lies before them.
PROJECTION = 32


def marker_network(markers: int, settings: PretrainingSettings) -> Sequential:
    """Encoder and projection for marker vectors: (people, markers) to the compared numbers.

    The first three layers are the encoder: ``hidden`` rectified units, then the embedding.
    """
    from torch.nn import Linear, ReLU, Sequential

    return Sequential(
        Linear(markers, settings.hidden), ReLU(), Linear(settings.hidden, settings.embedding),
        ReLU(), Linear(settings.embedding, PROJECTION),
    )  # fmt: skip


def map_network(settings: PretrainingSettings) -> Sequential:
    """Encoder and projection for maps: (people, 1, X, Y, Z) to the compared numbers.

    Four blocks of a convolution each halve the map; means over its eight octants go to the
    embedding. Groups are normalised and not batches: an embedding depends on nobody else.
    """
    from torch.nn import (
        AdaptiveAvgPool3d,
        Conv3d,
        Flatten,
        GroupNorm,
        Linear,
        MaxPool3d,
        ReLU,
        Sequential,
    )

    layers: list[Any] = []
    before = 1
    for channels in CHANNELS:
        layers += [Conv3d(before, channels, 3, padding=1), GroupNorm(4, channels), ReLU()]
        layers += [MaxPool3d(2)]
        before = channels
    layers += [AdaptiveAvgPool3d(2), Flatten(), Linear(8 * before, settings.embedding)]
    return Sequential(*layers, ReLU(), Linear(settings.embedding, PROJECTION))


def arrays_of(network: Sequential) -> dict[str, np.ndarray]:
    """The weights of a network, by name, in single precision."""
    return {
        name: value.detach().cpu().float().numpy().copy()
        for name, value in network.state_dict().items()
    }
