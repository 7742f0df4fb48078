"""Which atlas a step uses instead of the one that comes with the program."""

from __future__ import annotations

from pydantic import Field, model_validator

from commissure.settings import Section


class AtlasFiles(Section):
    """An atlas of one's own, or one of a TemplateFlow home, in place of the program's."""

    image: str = Field(
        "",
        description="Label image (NIfTI, 3-D, whole numbers) in a template space, relative to the "
        "working folder; empty uses the program's atlas. A changed file needs another name.",
    )
    labels: str = Field(
        "",
        description="Its table (TSV): index and name of every label; hemisphere (L, R), network "
        "(Yeo's seven) and tissue (GM, WM, CSF) where there are any.",
    )
    space: str = Field(
        "",
        description="TemplateFlow name of the image's space; empty takes it from tpl- or space- in "
        "the image's name.",
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> AtlasFiles:
        if bool(self.image) != bool(self.labels):
            raise ValueError("image and labels belong together: name both files or neither")
        return self
