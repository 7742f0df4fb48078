"""By what an encoder recognises the people on whom it was learnt, as a stored model does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from commissure.models.encoders.encoder import MarkerEncoder
from commissure.models.encoders.stored_encoder import StoredEncoder
from commissure.models.encoders.stored_map_encoder import StoredMapEncoder
from commissure.study.design import Block, DesignColumn
from commissure.transport.training_membership import in_training, training_digests


def encoder_digests(
    values: np.ndarray, columns: Sequence[DesignColumn], encoder: MarkerEncoder
) -> list[str]:
    """Digests of the people on whom an encoder was learnt, (people, columns)."""
    return training_digests(values, *_views(columns, encoder))[0]


def learnt_on(stored: StoredEncoder, values: np.ndarray) -> np.ndarray:
    """Who of people, by their markers in the encoder's columns, it was learnt on."""
    blocks, domain = _views(stored.columns, stored.encoder)
    return in_training(values, blocks, domain, stored.digests)


def map_digests(volumes: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> list[str]:
    """Digests of people by their grey matter, (people, regions), and its mean and spread."""
    return training_digests(volumes, *_regions(mean, sd))[0]


def map_learnt_on(stored: StoredMapEncoder, volumes: np.ndarray) -> np.ndarray:
    """Who of people, by their grey matter, (people, regions), an encoder of maps was learnt on."""
    return in_training(volumes, *_regions(stored.mean, stored.sd), stored.digests)


def _regions(
    mean: np.ndarray, sd: np.ndarray
) -> tuple[list[Block], dict[str, dict[str, np.ndarray]]]:
    return [Block("maps", tuple(range(len(mean))))], {"maps": {"mean": mean, "sd": sd}}


def _views(
    columns: Sequence[DesignColumn], encoder: MarkerEncoder
) -> tuple[list[Block], dict[str, dict[str, np.ndarray]]]:
    """Each modality's columns and their scale, as digests take them."""
    numbers: dict[str, list[int]] = {}
    for number, column in enumerate(columns):
        numbers.setdefault(column.modality, []).append(number)
    blocks = [Block(name, tuple(places)) for name, places in numbers.items()]
    domain = {
        block.name: {
            "mean": encoder.mean[list(block.columns)],
            "sd": encoder.sd[list(block.columns)],
        }
        for block in blocks
    }
    return blocks, domain
