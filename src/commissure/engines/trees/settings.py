"""Settings of the engine that takes over what another program has preprocessed."""

from __future__ import annotations

from pydantic import Field

from commissure.settings import Section


class TreeSettings(Section):
    """The tree of derivatives that is taken over."""

    tree: str = Field(description="Folder of the derivatives, with its dataset_description.json.")
    resolution_mm: float = Field(
        default=3.0, gt=0, description="Of several resolutions the nearest to this is taken."
    )
    templateflow: str = Field(
        default="",
        description="TemplateFlow's folder, whose transforms bring other template spaces over.",
    )
    same_anatomy: bool = Field(
        default=False, description="Whether the anatomy is of the same tree, so that spaces agree."
    )
