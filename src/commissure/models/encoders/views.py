"""Views of a person: what is changed of them, and should not change who they are."""

from __future__ import annotations

import math

from commissure.models.encoders.torch_types import Generator, Tensor

#: Of a view of a map: largest turn (degrees), shift (share of the field) and change of size.
TURN, SHIFT, SIZE = 5.0, 0.03, 0.05
#: Largest share of a view that is its mean over neighbouring voxels.
BLUR = 0.5


def marker_view(values: Tensor, noise: float, cutout: float, generator: Generator) -> Tensor:
    """A view of marker vectors: noise, and some markers put to the mean of all people.

    Parameters
    ----------
    values
        (people, markers), standardised.
    noise
        Standard deviation of the Gaussian noise.
    cutout
        Probability of each marker to be 0.
    generator
        Draws both; of the device of the values.
    """
    import torch

    drawn = torch.empty_like(values).normal_(generator=generator)
    kept = torch.empty_like(values).uniform_(generator=generator) >= cutout
    return (values + noise * drawn) * kept


def map_view(maps: Tensor, noise: float, cutout: float, generator: Generator) -> Tensor:
    """A view of maps: turned, shifted, scaled and blurred a little, with noise, without a box.

    What leaves the field is cropped. Left and right are never exchanged: the two halves of a brain
    differ, and so may what is lost in them.

    Parameters
    ----------
    maps
        (people, 1, X, Y, Z), standardised, 0 where the mean is.
    noise
        Standard deviation of the Gaussian noise.
    cutout
        Edge of the box that is 0, as a share of the map's edges; its place is drawn.
    generator
        Draws everything; of the device of the maps.
    """
    import torch
    from torch.nn.functional import affine_grid, avg_pool3d, grid_sample

    people, device = len(maps), maps.device
    drawn = torch.empty((people, 11), device=device).uniform_(-1, 1, generator=generator)
    grid = affine_grid(_affines(drawn[:, :7]), list(maps.shape), align_corners=False)
    moved = grid_sample(maps, grid.to(maps.dtype), padding_mode="zeros", align_corners=False)
    # Means over 3 x 3 x 3 voxels, to a share that is drawn.
    blur = BLUR * (drawn[:, 10] + 1).reshape(-1, 1, 1, 1, 1) / 2
    moved = moved + blur * (avg_pool3d(moved, 3, 1, 1, count_include_pad=False) - moved)
    if noise:
        moved = moved + noise * torch.empty_like(moved).normal_(generator=generator)
    kept = torch.ones_like(moved, dtype=torch.bool)
    for axis in range(3):
        size = maps.shape[2 + axis]
        edge = round(cutout * size)
        start = ((drawn[:, 7 + axis] + 1) / 2 * (size - edge + 1)).long().clamp(max=size - edge)
        place = torch.arange(size, device=device)[None]
        within = (place >= start[:, None]) & (place < start[:, None] + edge)
        shape = [people, 1, 1, 1, 1]
        shape[2 + axis] = size
        kept = kept & within.reshape(shape)
    return moved.masked_fill(kept, 0.0)


def _affines(drawn: Tensor) -> Tensor:
    """Small affine transforms (people, 3, 4) of numbers in -1 to 1, (people, 7)."""
    import torch

    angles = drawn[:, :3] * math.radians(TURN)
    scale = 1 + SIZE * drawn[:, 6]
    cos, sin = torch.cos(angles), torch.sin(angles)
    zero, one = torch.zeros_like(scale), torch.ones_like(scale)

    def matrix(*cells: Tensor) -> Tensor:
        return torch.stack(cells, dim=1).reshape(-1, 3, 3)

    x = matrix(one, zero, zero, zero, cos[:, 0], -sin[:, 0], zero, sin[:, 0], cos[:, 0])
    y = matrix(cos[:, 1], zero, sin[:, 1], zero, one, zero, -sin[:, 1], zero, cos[:, 1])
    z = matrix(cos[:, 2], -sin[:, 2], zero, sin[:, 2], cos[:, 2], zero, zero, zero, one)
    turned = x @ y @ z * scale[:, None, None]
    # The grid spans -1 to 1: a share of the field is twice that.
    return torch.cat([turned, 2 * SHIFT * drawn[:, 3:6, None]], dim=2)
