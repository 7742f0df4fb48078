"""What a study may change about its reference charts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from commissure.markers.settings import TableSettings
from commissure.settings import Section


class ReferenceSettings(TableSettings):
    """A table of healthy people from elsewhere (FreeSurfer, FCON1000 ...) as part of the charts."""

    age: str | None = Field(
        default=None, description="Column with the age in years; age, if there is such a column."
    )
    sex: str | None = Field(
        default=None, description="Column with the sex; sex, if there is such a column."
    )
    sex_codes: dict[str, Literal["F", "M"]] = Field(
        default_factory=dict,
        description='What its codes of the sex mean, where they are no words: {"0": F, "1": M}.',
    )
    site: str | None = Field(
        default=None, description="Column with the site; site, if there is such a column."
    )
    leave_out_sites: list[str] = Field(
        default_factory=list, description="Sites of the table whose people are not healthy."
    )


class NormativeSettings(Section):
    """Reference charts over age, sex and site, and how far each person deviates from them."""

    min_controls: int = Field(
        default=20,
        ge=10,
        description="Controls who have a marker, without whom it has no chart.",
    )
    reference: list[ReferenceSettings] = Field(
        default_factory=list,
        description="Tables of healthy people from elsewhere, from whom charts are learnt beside "
        "the study's own controls.",
    )
    charts: str | None = Field(
        default=None,
        description="Folder normative/model of another run whose charts are used; the study's own "
        "controls then only tell how its sites lie to them.",
    )
    head_size: Literal["residual", "none"] = Field(
        default="residual", description="residual: the charts of volumes are freed of head size."
    )
    folds: int = Field(
        default=10,
        ge=2,
        description="Parts of the controls: each part is scored by charts of the others.",
    )
    extreme: float = Field(
        default=1.96,
        gt=0,
        description="Deviation, in standard deviations, beyond which a marker counts as extreme.",
    )
