"""Settings of the T1-weighted images."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from pydantic import Field, field_validator

from commissure.images.atlas_settings import AtlasFiles
from commissure.names import ENTITY_ORDER
from commissure.settings import EngineSettings, Section

#: What can find the brain in a head with its skull.
BrainExtraction = Literal["builtin", "deepbet"]


def chosen_extraction(wanted: Literal["auto", "builtin", "deepbet"]) -> BrainExtraction:
    """What finds the brain: ``auto`` is deepbet where it is installed."""
    if wanted != "auto":
        return wanted
    return "deepbet" if find_spec("deepbet") else "builtin"


#: Mean local correlation (windows of 10 mm) of two images of one head, laid onto each other.
SAME_HEAD = 0.6


class AnatPreprocessSettings(Section):
    """How the brain, its tissues and the way to the template are found."""

    skull_stripped: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="Whether the images come without skull; 'auto' looks at the image, and notes "
        "where the sidecar's SkullStripped says otherwise.",
    )
    brain_extraction: Literal["auto", "builtin", "deepbet"] = Field(
        "auto",
        description="What finds the brain in a head with its skull: builtin, or the network "
        "deepbet (extra: make env EXTRAS=deep). 'auto' is deepbet where it is installed; the "
        "sidecar of the mask names it.",
    )
    registration_resolution_mm: float = Field(
        2.0,
        ge=1.0,
        le=5.0,
        description="Voxel size at which the registration to the template ends.",
    )
    segmentation_resolution_mm: float = Field(
        1.0,
        ge=0.5,
        le=4.0,
        description="Images that are finer than this are segmented at this voxel size; the "
        "probabilities are then brought back to the image's own grid.",
    )
    prior_weight: float = Field(
        1.0,
        ge=0.0,
        le=1.0,
        description="Trust in the template's tissue maps during segmentation; 0 uses intensities "
        "and neighbours only.",
    )
    neighbour_weight: float = Field(
        0.15,
        ge=0.0,
        le=1.0,
        description="Log-odds by which a neighbouring voxel's tissue favours the same tissue "
        "(Markov random field); 0 switches it off.",
    )
    longitudinal: bool = Field(
        False,
        description="Whether the visits of a person are segmented in one template of their own, so "
        "that change is measured with less noise, and told apart where they do not show the same "
        "head. Off by default, because a visit's numbers then use the later visits too: a model "
        "that predicts from the baseline must not see them.",
    )


class AnatMeasureSettings(Section):
    """What is measured."""

    atlas: AtlasFiles = Field(
        default_factory=AtlasFiles,
        description="Regions whose tissue is measured too, beside the structures and the "
        "Desikan-Killiany cortex.",
    )
    thickness: bool = Field(
        False,
        description="Whether the thickness of the cortex is measured too (68 regions, 5 to 22 CPU "
        "seconds a person; voxels of at most 1.5 mm): docs/anat.md.",
    )


class AnatImageSettings(Section):
    """Which T1w image of a visit is used: read by the workflow, not by a step."""

    image: dict[str, str | int | list[str | int]] = Field(
        default_factory=dict,
        description="What the T1w images to use must have in their names, where a visit has "
        "several: {acq: mprage}, {run: [1, 2]}, {suffix: UNIT1}; an empty text asks that the "
        "entity is not there, {ce: ''}. Of those left, images as they were acquired come before "
        "processed ones (desc-), then those without a contrast agent, then T1w before UNIT1, "
        "then the one with most contrast.",
    )

    @field_validator("image")
    @classmethod
    def _known_entities(cls, image: dict) -> dict:
        for key in image:
            if key not in (*ENTITY_ORDER, "suffix"):
                raise ValueError(f"BIDS knows no entity '{key}'")
        return image

    @property
    def wanted(self) -> dict[str, tuple[str, ...]]:
        """Values by entity, as texts."""
        lists = {k: v if isinstance(v, list) else [v] for k, v in self.image.items()}
        return {key: tuple(map(str, values)) for key, values in lists.items()}


class AnatSettings(AnatMeasureSettings, AnatPreprocessSettings, AnatImageSettings, EngineSettings):
    """What a study may change about the T1-weighted images."""
