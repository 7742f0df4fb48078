"""Settings of resting-state BOLD."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from commissure.func.strategies import StrategyName
from commissure.images.atlas_settings import AtlasFiles
from commissure.settings import EngineSettings, Section

#: What :mod:`commissure.func.regional` measures.
RegionalMeasure = Literal["alff", "falff", "reho"]


def tedana_program() -> str | None:
    """The program tedana on the path, or in the environment that ``make tedana`` makes."""
    beside = Path(sys.prefix).parent / ".venv-tedana/bin"
    return shutil.which("tedana") or shutil.which("tedana", path=str(beside))


class _ConfoundSettings(Section):
    """What both steps read: how confounds are written, and how they are taken."""

    compcor_components: int = Field(
        5, ge=1, le=20, description="Components per tissue (white matter, CSF) in CompCor."
    )
    fd_radius_mm: float = Field(
        50.0, gt=0, description="Radius of the sphere that turns rotations into mm (Power's FD)."
    )


class FuncPreprocessSettings(_ConfoundSettings):
    """How BOLD series are brought to the template, with their confounds."""

    resolution_mm: float = Field(
        3.0,
        ge=1,
        le=8,
        description="Voxel size of the series in template space; coarser data keep their own.",
    )
    dummy_volumes: int = Field(
        0, ge=0, description="Volumes dropped at the start, before the magnetisation is steady."
    )
    slice_timing: Literal["auto"] | bool = Field(
        "auto",
        description="Whether to shift every slice to the middle of the volume in time, where "
        "SliceTiming is known; auto: where the repetition time is above 1.2 s.",
    )
    multi_echo: Literal["combine", "tedana"] = Field(
        "combine",
        description="What is done with several echoes: their T2*-weighted combination alone, or "
        "besides their independent components that are no BOLD, found by tedana (make tedana) and "
        "taken out with the regressors of every strategy.",
    )
    susceptibility: bool = Field(
        True,
        description="Undo susceptibility distortion by the images in `fmap/` that name the run.",
    )
    drift_period_s: float = Field(
        128.0, gt=0, description="Slower drifts than this are taken out before CompCor."
    )


class FuncMeasureSettings(_ConfoundSettings):
    """How preprocessed series are denoised and turned into connectivity, and what is flagged."""

    tasks: tuple[str, ...] | None = Field(
        ("rest*", "rs", "rs[0-9]*", "rsfmri*", "rseyes*"),
        description="Tasks whose runs give connectivity, as patterns (* is any text, ? one sign, "
        "case does not count); null or an empty list means all tasks. Other runs give motion and "
        "signal-to-noise only.",
    )
    strategy: StrategyName = Field(
        "aCompCor",
        description="Regressors taken out; aCompCor: components of CSF and white matter alone; "
        "auto: 24P+aCompCor, and 12P+aCompCor where 24P+aCompCor would leave "
        "min_degrees_of_freedom or fewer of all volumes, none censored.",
    )
    ridge_half_mm: float = Field(
        0.03,
        gt=0,
        description="Of the strategies with a ridge: root mean square in the band of a movement "
        "regressor of which half is taken out, in mm.",
    )
    join_runs: bool = Field(
        True,
        description="Whether the runs of one task and visit give one connectivity matrix together; "
        "false: each its own, and markers.tsv has their mean.",
    )
    fd_threshold_mm: float | None = Field(
        0.5,
        gt=0,
        description="Volumes with a larger framewise displacement are censored; null: none are.",
    )
    fd_breathing_filter: bool = Field(
        True,
        description="Whether framewise displacement of runs with a repetition time below 1 s is "
        "taken over about 2 s, after a filter that takes breathing out of the movement.",
    )
    band_low_hz: float = Field(0.01, gt=0, description="Lower edge of the band-pass filter.")
    band_high_hz: float = Field(0.08, gt=0, description="Upper edge of the band-pass filter.")
    filter_order: int = Field(
        2, ge=1, le=8, description="Order of the Butterworth filter, applied forth and back."
    )
    parcels: Literal[100, 400, "Seitzman300"] = Field(
        100,
        description="Parcels of the cortex: 100 or 400 of Schaefer 2018, or the cortical spheres "
        "of Seitzman 2020.",
    )
    atlas: AtlasFiles = Field(
        default_factory=AtlasFiles, description="Parcels of the cortex instead of Schaefer's."
    )
    min_parcel_coverage: float = Field(
        0.5, gt=0, le=1, description="A parcel with a smaller share of its voxels is missing."
    )
    min_parcel_tsnr: float = Field(
        20.0,
        ge=0,
        description="A parcel or seed whose voxels have a lower median signal-to-noise ratio in "
        "time is missing, as where the signal drops out.",
    )
    min_sgacc_tsnr: float = Field(
        40.0,
        ge=0,
        description="Voxels with a lower signal-to-noise ratio in time do not count in the seeds "
        "of fc_sgacc_dlpfc.",
    )
    regional_measures: tuple[RegionalMeasure, ...] = Field(
        ("alff", "falff", "reho"),
        description="Voxel measures that are averaged over networks and structures; an empty list "
        "for none.",
    )
    compare_strategies: bool = Field(
        True,
        description="Whether connectivity is computed by every strategy, so that the report can "
        "say which leaves least of head motion in this cohort.",
    )
    min_degrees_of_freedom: float = Field(
        30.0,
        ge=0,
        description="Connectivity with fewer is flagged; with none it is missing.",
    )
    max_mean_fd_mm: float = Field(
        0.55, gt=0, description="A run with a larger mean framewise displacement is flagged."
    )
    max_censored_fraction: float = Field(
        0.5, gt=0, le=1, description="A run with a larger share of censored volumes is flagged."
    )
    min_minutes: float = Field(
        4.0, ge=0, description="A run with fewer minutes after censoring is flagged."
    )
    min_covered_parcels: float = Field(
        0.9, ge=0, le=1, description="A run with a smaller share of usable parcels is flagged."
    )
    min_mask_dice: float = Field(
        0.85,
        ge=0,
        le=1,
        description="A run whose brain mask overlaps less with the template's is flagged.",
    )
    max_median_std_dvars: float = Field(
        1.5, gt=0, description="A run with a larger median standardised DVARS is flagged."
    )

    @model_validator(mode="after")
    def _band_is_a_band(self) -> FuncMeasureSettings:
        if self.band_low_hz >= self.band_high_hz:
            raise ValueError(
                f"band_low_hz is {self.band_low_hz} and band_high_hz {self.band_high_hz}; "
                "the lower edge must be below the upper"
            )
        return self


class FuncSettings(FuncMeasureSettings, FuncPreprocessSettings, EngineSettings):
    """How BOLD series are brought to the template, denoised and turned into connectivity."""
