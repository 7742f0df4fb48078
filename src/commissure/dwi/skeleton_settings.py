"""Which template, skeleton and labels a study takes for its skeleton averages."""

from __future__ import annotations

from pydantic import Field, model_validator

from commissure.settings import Section


class SkeletonFiles(Section):
    """Template FA, its skeleton, the distance to it and labels, all on one grid."""

    template: str = Field(
        "",
        description="Mean FA image, as ENIGMA_DTI_FA.nii.gz of ENIGMA-DTI, relative to the working "
        "folder; empty makes no skeleton averages. A changed file needs another name.",
    )
    skeleton: str = Field("", description="Its skeleton, as ENIGMA_DTI_FA_skeleton_mask.nii.gz.")
    distance_map: str = Field(
        "",
        description="Distance of each voxel from the skeleton, as "
        "ENIGMA_DTI_FA_skeleton_mask_dst.nii.gz.",
    )
    labels: str = Field(
        "", description="Labels of JHU's ICBM-DTI-81 on its grid, as JHU-WhiteMatter-labels-1mm."
    )

    @model_validator(mode="after")
    def _all_or_none(self) -> SkeletonFiles:
        given = [name for name in type(self).model_fields if getattr(self, name)]
        if given and len(given) < len(type(self).model_fields):
            missing = next(n for n in type(self).model_fields if n not in given)
            raise ValueError(f"{missing} is missing: name all four files or none")
        return self
