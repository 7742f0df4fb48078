"""A learnt encoder of maps, and what healthy people look like in it. Embedding needs torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from commissure.errors import DatasetError
from commissure.images.map_grid import MapGrid
from commissure.models.encoders.encoder import (
    FARTHEST,
    HealthyReference,
    healthy_reference,
    on_line,
)
from commissure.models.encoders.networks import map_encoder_layers
from commissure.models.encoders.settings import PretrainingSettings
from commissure.models.encoders.torch_types import Sequential, Tensor
from commissure.torch_device import prepared_torch, require_packages

#: A voxel counts where healthy people have this share of it filled, on average.
LEAST_FILLED = 0.05
#: Spread of a voxel that is never undercut, over the median spread: else edges count most.
LEAST_SPREAD = 0.25
#: Maps that are embedded at a time.
AT_A_TIME = 16


class Maps(Protocol):
    """Maps of people on one grid, read when they are asked for; an array is one, too."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray:
        """Maps of these people, (people, X, Y, Z)."""


def in_parts(maps: Maps) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and maps, few at a time."""
    for start in range(0, len(maps), AT_A_TIME):
        rows = np.arange(start, min(start + AT_A_TIME, len(maps)))
        yield rows, maps[rows]


@dataclass(frozen=True)
class MapScale:
    """By what maps are standardised.

    Attributes
    ----------
    grid
        Where they lie.
    mean, sd
        Of healthy people at each voxel, (X, Y, Z); ``sd`` is 0 where a voxel does not count.
    """

    grid: MapGrid
    mean: np.ndarray
    sd: np.ndarray

    @staticmethod
    def of(maps: Maps, grid: MapGrid) -> MapScale:
        """The scale of people, whose maps are read once.

        Raises
        ------
        DatasetError
            No voxel is filled, or none varies.
        """
        total, squares = np.zeros(grid.shape), np.zeros(grid.shape)
        for _, part in in_parts(maps):
            total += part.sum(axis=0, dtype=float)
            squares += np.square(part, dtype=float).sum(axis=0)
        mean = total / len(maps)
        sd = np.sqrt(np.maximum(squares / len(maps) - mean**2, 0))
        counts = (mean >= LEAST_FILLED) & (sd > 1e-6)
        if not counts.any():
            raise DatasetError(
                "pre-training", found="no voxel of the maps is filled and varies between people",
                wanted="maps of grey matter of different people",
            )  # fmt: skip
        sd = np.where(counts, np.maximum(sd, LEAST_SPREAD * np.median(sd[counts])), 0)
        return MapScale(grid, mean.astype(np.float32), sd.astype(np.float32))

    @property
    def mask(self) -> np.ndarray:
        """Voxels that count, (X, Y, Z)."""
        return self.sd > 0

    def z(self, maps: np.ndarray) -> np.ndarray:
        """Maps in standard deviations of healthy people, 0 where no voxel counts."""
        inverse = np.where(self.mask, 1 / np.where(self.mask, self.sd, 1), 0).astype(np.float32)
        z = (np.asarray(maps, np.float32) - self.mean) * inverse
        return np.clip(z, -FARTHEST, FARTHEST)

    def standardised(self, maps: np.ndarray, device: str) -> Tensor:
        """The same as a network takes them, (people, 1, X, Y, Z) on a device."""
        import torch

        return torch.as_tensor(self.z(maps)[:, None], device=device)


@dataclass(frozen=True)
class MapEncoder:
    """Maps to embeddings.

    Attributes
    ----------
    scale
        By which maps are standardised, and where they lie.
    weights
        Those of the encoder's layers, by name.
    dimensions
        Numbers that a person becomes.
    healthy
        What healthy people look like; its ``marker_line`` is of the voxels that count. None before
        it is learnt.
    """

    scale: MapScale
    weights: Mapping[str, np.ndarray]
    dimensions: int
    healthy: HealthyReference | None = None

    @staticmethod
    def of_network(
        scale: MapScale, arrays: Mapping[str, np.ndarray], settings: PretrainingSettings
    ) -> MapEncoder:
        """The encoder in the weights of a whole network."""
        wanted = _layers(settings.embedding).state_dict()
        return MapEncoder(scale, {name: arrays[name] for name in wanted}, settings.embedding)

    def network(self) -> Sequential:
        """The layers with these weights; ValueError where they do not fit."""
        import torch

        layers = _layers(self.dimensions)
        wanted = {name: tuple(value.shape) for name, value in layers.state_dict().items()}
        if wanted != {name: value.shape for name, value in self.weights.items()}:
            raise ValueError("the shapes of its layers are not those of this version")
        layers.load_state_dict({n: torch.as_tensor(value) for n, value in self.weights.items()})
        return layers.eval()

    def embed(self, maps: Maps) -> np.ndarray:
        """Embeddings of people, (people, dimensions).

        Raises
        ------
        DatasetError
            The maps lie on another grid.
        ConfigError
            torch is not installed.
        """
        network = self._ready(maps)
        parts = [_through(network, self.scale.z(part)) for _, part in in_parts(maps)]
        return np.concatenate(parts) if parts else np.zeros((0, self.dimensions))

    def with_healthy(self, maps: Maps, ages: np.ndarray) -> MapEncoder:
        """The encoder that knows what healthy people look like: these."""
        mask, embedding = self.scale.mask, self.embed(maps)
        centre = float(ages.mean())
        years = ages - centre
        total, slope = np.zeros(mask.sum()), np.zeros(mask.sum())
        for rows, part in in_parts(maps):
            z = self.scale.z(part)[:, mask].astype(float)
            total += z.sum(axis=0)
            slope += years[rows] @ z
        slope /= max(float(years @ years), 1e-12)
        line = np.stack([total / len(ages) - slope * centre, slope]).astype(np.float32)
        return replace(self, healthy=healthy_reference(embedding, ages, line))

    def deviation(self, maps: Maps, ages: np.ndarray) -> np.ndarray:
        """How far each person's embedding lies from healthy people's of their age, (people,)."""
        assert self.healthy is not None
        return self.healthy.distance(self.embed(maps), ages)

    def deviation_map(self, maps: Maps, ages: np.ndarray, regions: np.ndarray) -> np.ndarray:
        """What each region adds to a person's deviation.

        The deviation falls by so much when the region is put to what healthy people of that age
        have; occlusion, as of Zeiler MD and Fergus R, ECCV 2014.

        Parameters
        ----------
        maps, ages
            Of people; years.
        regions
            (regions, X, Y, Z): to what share each voxel is each region.

        Returns
        -------
        numpy.ndarray
            (people, regions); NaN where the age is unknown.
        """
        assert self.healthy is not None
        network, mask = self._ready(maps), self.scale.mask
        added = np.full((len(maps), len(regions)), np.nan)
        shares = np.asarray(regions, np.float32)[:, mask]
        for person in np.flatnonzero(np.isfinite(ages)):
            age = ages[[person]]
            z = self.scale.z(maps[np.array([person])])
            away = on_line(self.healthy.marker_line, age)[0].astype(np.float32) - z[0][mask]
            whole = self.healthy.distance(_through(network, z), age)[0]
            for start in range(0, len(shares), AT_A_TIME):
                part = slice(start, start + AT_A_TIME)
                moved = np.repeat(z, len(shares[part]), axis=0)
                moved[:, mask] += shares[part] * away
                embedding = _through(network, moved)
                added[person, part] = whole - self.healthy.distance(embedding, age)
        return added

    def _ready(self, maps: Maps) -> Sequential:
        require_packages("an encoder of maps")
        check_grid(maps, self.scale.grid)
        prepared_torch("cpu")
        return self.network()

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as arrays by name, for :mod:`commissure.stored_arrays`."""
        named = {"mean": self.scale.mean, "sd": self.scale.sd}
        named |= {f"weight.{name}": value for name, value in self.weights.items()}
        if self.healthy is not None:
            named |= {f"healthy.{name}": value for name, value in vars(self.healthy).items()}
        return named

    @staticmethod
    def of_arrays(arrays: Mapping[str, Any], grid: MapGrid, dimensions: int) -> MapEncoder:
        """The encoder of arrays; KeyError or ValueError where they are not of one."""
        scale = MapScale(grid, arrays["mean"], arrays["sd"])
        if scale.mean.shape != grid.shape or scale.sd.shape != grid.shape:
            raise ValueError(f"its maps have {scale.mean.shape} voxels, its grid {grid.shape}")
        weights = {
            name.removeprefix("weight."): value
            for name, value in arrays.items()
            if name.startswith("weight.")
        }
        healthy = HealthyReference(
            arrays["healthy.line"], arrays["healthy.precision"], arrays["healthy.marker_line"]
        )
        if healthy.marker_line.shape != (2, int(scale.mask.sum())):
            raise ValueError("its healthy people have other voxels than its maps")
        return MapEncoder(scale, weights, dimensions, healthy)


def check_grid(maps: Maps, grid: MapGrid) -> None:
    """Refuse maps of another template space, voxel size or smoothing.

    Raises
    ------
    DatasetError
        They lie on another grid than ``grid``.
    """
    own = getattr(maps, "grid", None)
    shape = maps[np.arange(1)].shape[1:] if len(maps) else grid.shape
    if (own is not None and own != grid) or shape != grid.shape:
        lie = str(own) if own is not None else f"{' x '.join(map(str, shape))} voxels"
        raise DatasetError(
            "maps", found=f"they lie in another space or on another grid: {lie}",
            wanted=f"{grid}, as the maps on which the encoder was learnt",
            mend="Make the maps on that grid, or learn an encoder on these",
        )  # fmt: skip


def _layers(dimensions: int) -> Sequential:
    from torch.nn import Sequential

    return Sequential(*map_encoder_layers(dimensions))


def _through(network: Sequential, z: np.ndarray) -> np.ndarray:
    import torch

    with torch.no_grad():
        return np.asarray(network(torch.as_tensor(z[:, None])).double().numpy())
