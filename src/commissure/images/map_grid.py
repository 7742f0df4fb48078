"""The grid on which maps of different people lie: a box in a template space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from commissure.errors import ConfigError
from commissure.images.template import TEMPLATE

#: Edges of voxels that divide the box into a multiple of 16, as a network of four halvings needs.
RESOLUTIONS_MM = (3.0, 4.0, 6.0, 12.0)
#: Edge of the box, and its centre in mm: any adult brain in a template space fits into it.
FIELD_MM = 192.0
CENTRE_MM = (0.0, -16.0, 5.0)


@dataclass(frozen=True)
class MapGrid:
    """Where maps lie, and how smooth they are.

    Attributes
    ----------
    space
        TemplateFlow name of the template space.
    resolution_mm
        Edge of a voxel, one of :data:`RESOLUTIONS_MM`.
    smoothing_mm
        Full width at half maximum of the Gaussian by which maps are smoothed; 0 is none.
    """

    space: str = TEMPLATE
    resolution_mm: float = 4.0
    smoothing_mm: float = 0.0

    def __post_init__(self) -> None:
        if self.resolution_mm not in RESOLUTIONS_MM or not self.smoothing_mm >= 0:
            raise ConfigError(
                "maps", found=f"voxels of {self.resolution_mm:g} mm, smoothed by "
                f"{self.smoothing_mm:g} mm",
                wanted=f"voxels of {', '.join(f'{r:g}' for r in RESOLUTIONS_MM)} mm, and no "
                "negative width",
            )  # fmt: skip

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along each axis."""
        edge = round(FIELD_MM / self.resolution_mm)
        return edge, edge, edge

    @property
    def affine(self) -> np.ndarray:
        """4x4, voxel to RAS+ mm."""
        affine = np.diag([self.resolution_mm] * 3 + [1.0])
        affine[:3, 3] = np.array(CENTRE_MM) - FIELD_MM / 2 + self.resolution_mm / 2
        return affine

    def __str__(self) -> str:
        smoothing = f"smoothed by {self.smoothing_mm:g} mm" if self.smoothing_mm else "not smoothed"
        return f"{self.space}, voxels of {self.resolution_mm:g} mm, {smoothing}"

    def card(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @staticmethod
    def of_card(card: Mapping[str, Any]) -> MapGrid:
        """The grid of a card; KeyError or TypeError where it names none."""
        return MapGrid(
            str(card["space"]), float(card["resolution_mm"]), float(card["smoothing_mm"])
        )
