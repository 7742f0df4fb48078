"""The networks, as PyTorch builds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commissure.models.encoders.settings import PretrainingSettings
from commissure.models.encoders.torch_types import Layer, Sequential, Tensor

#: Channels of the blocks of the network for maps: 0.3 million parameters.
CHANNELS = (16, 32, 64, 96)
#: Numbers in which people are compared while they learn; the embedding lies before them.
PROJECTION = 32
#: Cubes along each edge of a map whose means a decoder gives back.
TARGETS = 12


@dataclass(frozen=True)
class Network:
    """A network that learns.

    Attributes
    ----------
    layers
        All its layers in a row, by which weights are named; they are never called as one.
    encoder
        The layers of the embedding.
    projection
        Those from the embedding to the compared numbers.
    decoder
        From the embedding, by a linear map, to what the person looks like; None without one.
    """

    layers: Sequential
    encoder: Sequential
    projection: Sequential
    decoder: Layer | None

    @staticmethod
    def of(encoder: Sequence[Layer], settings: PretrainingSettings, targets: int) -> Network:
        """A network around an encoder; ``targets`` numbers are given back."""
        from torch.nn import Linear, ReLU, Sequential

        projection = [ReLU(), Linear(settings.embedding, PROJECTION)]
        # Drawn last: without it all other weights are the same.
        decoder = Linear(settings.embedding, targets) if settings.reconstruction else None
        layers = Sequential(*encoder, *projection, *([] if decoder is None else [decoder]))
        return Network(layers, Sequential(*encoder), Sequential(*projection), decoder)


def marker_network(markers: int, settings: PretrainingSettings) -> Network:
    """A network for marker vectors, (people, markers): rectified hidden units, then the embedding.

    The decoder gives the markers back.
    """
    from torch.nn import Linear, ReLU

    encoder = [
        Linear(markers, settings.hidden), ReLU(), Linear(settings.hidden, settings.embedding),
    ]  # fmt: skip
    return Network.of(encoder, settings, markers)


def start_at_components(network: Network, z: np.ndarray) -> None:
    """Let an encoder of markers begin as the principal components of its people.

    A component is the difference of two rectified units, its positive and its negative part, so
    that the layers stay what they are; the decoder begins as the map back. Numbers of the
    embedding beyond half of the hidden units, or beyond the people's components, stay as drawn.

    Parameters
    ----------
    network
        As :func:`marker_network` makes it; changed.
    z
        (people, markers), standardised.
    """
    import torch

    first, second = network.encoder[0], network.encoder[2]
    _, size, axes = np.linalg.svd(z - z.mean(axis=0), full_matrices=False)
    rank = int((size > 1e-6 * size[0]).sum())
    kept = min(second.out_features, first.out_features // 2, rank)
    axes = torch.as_tensor(axes[:kept].astype(np.float32))
    with torch.no_grad():
        first.weight[: 2 * kept] = torch.cat([axes, -axes])
        first.bias[: 2 * kept] = 0
        second.weight[:kept] = 0
        second.weight[:kept, : 2 * kept] = torch.eye(kept).repeat(1, 2)
        second.weight[:kept, kept : 2 * kept] *= -1
        second.bias[:kept] = 0
        if network.decoder is not None:
            network.decoder.weight[:, :kept] = axes.T
            network.decoder.weight[:, kept:] = 0
            network.decoder.bias[:] = 0


def map_network(settings: PretrainingSettings) -> Network:
    """A network for maps, (people, 1, X, Y, Z), whose edges are multiples of 16 voxels.

    Four blocks of a convolution each halve the map; means over its eight octants go to the
    embedding. Groups are normalised and not batches: an embedding depends on nobody else. The
    decoder gives back :func:`map_targets`.
    """
    return Network.of(map_encoder_layers(settings.embedding), settings, TARGETS**3)


def map_encoder_layers(embedding: int) -> list[Layer]:
    """The layers of an encoder of maps, to so many numbers."""
    from torch.nn import AdaptiveAvgPool3d, Conv3d, Flatten, GroupNorm, Linear, MaxPool3d, ReLU

    layers: list[Layer] = []
    before = 1
    for channels in CHANNELS:
        layers += [Conv3d(before, channels, 3, padding=1), GroupNorm(4, channels)]
        # In place: the first maps are most of the memory.
        layers += [ReLU(inplace=True), MaxPool3d(2)]
        before = channels
    return [*layers, AdaptiveAvgPool3d(2), Flatten(), Linear(8 * before, embedding)]


def map_targets(maps: Tensor) -> Tensor:
    """What a decoder of maps gives back: their means over cubes, (people, TARGETS³)."""
    from torch.nn.functional import adaptive_avg_pool3d

    return adaptive_avg_pool3d(maps, TARGETS).flatten(1)


def arrays_of(layers: Sequential) -> dict[str, np.ndarray]:
    """The weights of a network, by name, in single precision."""
    return {
        name: value.detach().cpu().float().numpy().copy()
        for name, value in layers.state_dict().items()
    }
