"""Contrastive losses: y-aware InfoNCE, and SimCLR as its limit."""

from __future__ import annotations

import math

from commissure.models.encoders.settings import Normalisation
from commissure.models.encoders.torch_types import Tensor

#: In place of the similarity of a view with itself: its exponential is 0, and it is no infinity.
_SELF = -1e8


def pair_weights(ages: Tensor, sigma: float, normalisation: Normalisation) -> Tensor:
    """How much each pair of views counts.

    Parameters
    ----------
    ages
        (people,), years; the views are those of everybody, twice.
    sigma
        Standard deviation of the Gaussian kernel on the difference in age, years. 0 leaves the two
        views of a person only, infinity counts all pairs alike.
    normalisation
        ``rows``: ``w_ik / sum_j w_ij``, each view's pairs sum to 1, which is the formula;
        ``columns``: ``w_ik / sum_j w_kj``, as the published code divides.

    Returns
    -------
    torch.Tensor
        (2 people, 2 people), 0 on the diagonal.
    """
    import torch

    people = len(ages)
    if sigma == 0:
        weights = torch.eye(people, dtype=ages.dtype, device=ages.device).repeat(2, 2)
    elif math.isinf(sigma):
        weights = ages.new_ones((2 * people, 2 * people))
    else:
        both = torch.cat([ages, ages])
        weights = torch.exp(-((both[:, None] - both[None]) ** 2) / (2 * sigma**2))
    weights = weights.masked_fill(torch.eye(2 * people, dtype=torch.bool, device=ages.device), 0.0)
    # The other view of a person weighs 1, so that no sum is 0.
    total = weights.sum(dim=1)
    return weights / (total[:, None] if normalisation == "rows" else total[None])


def y_aware_infonce(
    first: Tensor,
    second: Tensor,
    ages: Tensor,
    *,
    sigma: float,
    temperature: float = 0.1,
    normalisation: Normalisation = "rows",
) -> Tensor:
    """y-aware InfoNCE of two views of each person.

    Parameters
    ----------
    first, second
        (people, dimensions), a view of each person each; any length.
    ages
        (people,), years.
    sigma, normalisation
        As :func:`pair_weights` takes them.
    temperature
        By which cosine similarities are divided.

    Returns
    -------
    torch.Tensor
        The loss: summed over the views of both kinds, divided by the number of people.

    Notes
    -----
    Dufumier B et al., Contrastive learning with continuous proxy meta-data for 3D MRI
    classification, MICCAI 2021, equation 3; with ``sigma=0`` the loss of Chen T et al., A simple
    framework for contrastive learning of visual representations, ICML 2020, times 2.
    """
    import torch
    from torch.nn.functional import log_softmax, normalize

    views = normalize(torch.cat([first, second]), dim=1)
    similarity = views @ views.T / temperature
    same = torch.eye(len(views), dtype=torch.bool, device=views.device)
    log_share = log_softmax(similarity.masked_fill(same, _SELF), dim=1)
    weights = pair_weights(ages.to(log_share.dtype), sigma, normalisation)
    return -(weights * log_share).sum() / len(first)


def unexplained(said: Tensor, truth: Tensor) -> Tensor:
    """Share of the squared deviations from 0 that is not given back: 0 of all, 1 of nothing.

    Parameters
    ----------
    said, truth
        (views, numbers): what a decoder gives back, and what it should.
    """
    return (said - truth).square().mean() / truth.square().mean().clamp(min=1e-8)
