"""What a study may change about diffusion MRI."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from commissure.dwi.skeleton_settings import SkeletonFiles
from commissure.images.atlas_settings import AtlasFiles
from commissure.settings import EngineSettings, Section


class _SeriesSettings(Section):
    """What both steps of diffusion MRI read."""

    b0_max_b_s_mm2: float = Field(
        50.0, ge=0, le=150, description="Volumes with a b-value up to this one count as b0."
    )


class DwiPreprocessSettings(_SeriesSettings):
    """Preprocessing of diffusion series."""

    denoise: Literal["mppca", "none"] = Field(
        "mppca",
        description="Denoising before any interpolation: Marchenko-Pastur PCA (Veraart 2016).",
    )
    denoise_step_voxels: int = Field(
        2,
        ge=1,
        le=3,
        description="Distance between the centres of overlapping denoising patches 5 voxels wide "
        "(more than 125 volumes: wider and further apart); 1 is the published algorithm, 2 costs "
        "an eighth.",
    )
    gibbs: bool = Field(
        False,
        description="Remove Gibbs ringing by subvoxel shifts (Kellner 2016), which lowers FA by "
        "some 0.02: in all of a study or in none. Left out, with a note, where the sidecar says "
        "that the scanner interpolated, or sampled part of k-space.",
    )
    rician_from_b_s_mm2: float = Field(
        1500.0,
        ge=0,
        description="Volumes from this b-value on are freed of the bias that noise gives weak "
        "signals (Koay 2006), where the noise was measured by the denoising.",
    )
    bias_field: bool = Field(
        True,
        description="Even out the brightness of the receive coils (N4 on the b0); changes neither "
        "FA nor MD.",
    )
    realign: bool = Field(True, description="Realignment of all volumes, b-vectors turned along.")
    eddy: bool = Field(
        True,
        description="Undo what eddy currents do to each volume, with the realignment (needs the "
        "phase encoding in the sidecar).",
    )
    susceptibility: bool = Field(
        True,
        description="Undo susceptibility distortion where runs in `dwi/` have opposite phase "
        "encodings, or `fmap/` has unweighted images of the opposite one for the series, or a "
        "field map (phase difference, two phases, or Hz).",
    )
    outlier_z: float = Field(
        4.0,
        gt=0,
        description="A slice darker than predicted by this many robust standard deviations is a "
        "dropout.",
    )
    replace_outliers: bool = Field(
        True, description="Replace dropout slices by their prediction from the other directions."
    )
    output_resolution_mm: float | None = Field(
        None,
        gt=0.5,
        le=8,
        description="Voxel size of the series in T1w space; empty keeps the acquired voxel volume.",
    )


class DwiMeasureSettings(_SeriesSettings):
    """Tensor and tract averages of preprocessed series, and what is flagged."""

    tensor_max_b_s_mm2: float = Field(
        1500.0,
        ge=500,
        le=5000,
        description="Largest b-value that enters the tensor, a model of Gaussian diffusion. Where "
        "no shell up to it carries a tensor the lowest one that does is taken, and flagged.",
    )
    robust_tensor: bool = Field(
        True,
        description="Leave values far from a voxel's tensor (4 standard deviations) out of it.",
    )
    atlas: AtlasFiles = Field(
        default_factory=AtlasFiles, description="Tracts instead of those of JHU's ICBM-DTI-81."
    )
    skeleton: SkeletonFiles = Field(
        default_factory=SkeletonFiles,
        description="Template, skeleton, distance map and labels of ENIGMA-DTI: FA and MD are also "
        "projected onto the skeleton and averaged (tbss_fa, tbss_md).",
    )
    free_water: bool = Field(
        False,
        description="Also tell free water from tissue (free_water, fa_tissue), where there are two "
        "shells up to b = 2000.",
    )
    kurtosis: bool = Field(
        False,
        description="Also measure mean kurtosis (mean_kurtosis), where there are b0 and two "
        "shells, the higher one from b = 1500 to 3000.",
    )
    registration_resolution_mm: float = Field(
        2.0,
        ge=1,
        le=4,
        description="Voxel size at which FA is registered to the skeleton's template.",
    )
    tract_wm_min: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Voxels of a tract's label count from this share of white matter, weighted by "
        "it. FA itself decides nothing: voxels that left as it falls would hide a loss.",
    )
    subtract_partial_volume: bool = Field(
        False,
        description="Subtract the signal of grey matter and fluid before the tensor of the tracts "
        "is fitted (needs a T1w image). On measured heads single tracts become impossible, which "
        "is flagged; for all of a study or for none.",
    )
    tract_voxels_min: int = Field(
        5, ge=1, description="Tracts with fewer voxels left than this are not reported."
    )
    min_directions: int = Field(
        20, ge=6, description="A series with fewer distinct directions is flagged."
    )
    min_neighbouring_correlation: float = Field(
        0.4,
        ge=0,
        le=1,
        description="A series whose volumes of neighbouring directions correlate less is flagged "
        "(Yeh 2019).",
    )
    max_mean_displacement_mm: float = Field(
        1.0, gt=0, description="A series with a larger mean framewise displacement is flagged."
    )
    max_outlier_slices_percent: float = Field(
        10.0, gt=0, le=100, description="A series with more slices lost to dropout is flagged."
    )
    min_b0_snr: float = Field(
        15.0, gt=0, description="A series with a smaller signal-to-noise ratio of b0 is flagged."
    )


class DwiSettings(DwiMeasureSettings, DwiPreprocessSettings, EngineSettings):
    """Diffusion MRI: preprocessing, tensor and tract averages."""
