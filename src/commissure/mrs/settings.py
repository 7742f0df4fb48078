"""What a study may change about spectroscopy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from commissure.mrs.metabolites import FURTHER_METABOLITES, METABOLITES
from commissure.settings import EngineSettings, Section

RelaxationSetName = Literal["fsl_mrs_3t", "osprey_3t", "spant_3t", "fsl_mrs_7t"]


class _VoxelSettings(Section):
    """What both steps of spectroscopy read."""

    voi: str = Field(
        "ACC",
        pattern=r"^[a-zA-Z0-9+]+$",
        description="Name of the voxel where the file has no voi- entity; known names (ACC, PCC, "
        "HIPPO, THAL, STR) are checked against where the voxel lies.",
    )


class MrsPreprocessSettings(_VoxelSettings):
    """Preprocessing and fitting of single-voxel spectra."""

    metabolites: tuple[str, ...] = Field(
        METABOLITES,
        description="Metabolites of the simulated basis; glucose (Glc) and glycine (Gly) may be "
        "added.",
    )
    sequence: Literal["auto", "press", "slaser", "steam", "mega-press"] = Field(
        "auto",
        description="Localisation that the simulated basis goes through; auto takes the name in "
        "the metadata, and PRESS where there is none.",
    )
    first_echo_s: float | None = Field(
        None,
        gt=0,
        lt=0.1,
        description="Echo time of the first refocusing of PRESS and MEGA-PRESS; null takes half "
        "of the echo time.",
    )
    mixing_time_s: float | None = Field(
        None,
        gt=0,
        lt=0.5,
        description="Mixing time of STEAM where the metadata do not give MixingTime.",
    )
    edit_on_ppm: float = Field(
        4.56,
        gt=0,
        lt=10,
        description="Where the editing pulses of MEGA-PRESS invert: 4.56 for glutathione.",
    )
    edit_off_ppm: float = Field(
        7.5, gt=0, lt=10, description="Where they lie in the unedited sub-spectrum."
    )
    edit_bandwidth_hz: float = Field(
        60.0, gt=5, lt=500, description="Full width at half maximum of what they invert."
    )
    macromolecules: Literal["soft", "published"] = Field(
        "soft",
        description="What lies under the metabolites of a simulated basis: soft ties the "
        "resonances loosely, published holds the ratios of a measured spectrum to 5 %.",
    )
    measured_macromolecules: str = Field(
        "",
        description="Basis whose macromolecules (MM*, Mac) were measured, in the forms of basis; "
        "they take the place of the model's under simulated metabolites. Empty takes the model.",
    )
    basis: str = Field(
        "",
        description="Basis made elsewhere: an LCModel .BASIS file, or a folder with one NIfTI-MRS "
        "or JSON file per metabolite, relative to the working folder; empty simulates one. A basis "
        "of another field strength is refused.",
    )
    basis_of_another_echo_time: bool = Field(
        False,
        description="Whether a basis, or measured macromolecules, whose echo time is another or "
        "unknown may be used; its spectra are flagged.",
    )
    fit_low_ppm: float = Field(0.2, ge=0, le=3, description="Lower end of the fitted range.")
    fit_high_ppm: float = Field(4.2, ge=3.2, le=4.5, description="Upper end of the fitted range.")
    shift_sd_ppm: float = Field(
        0.01, gt=0, le=0.05, description="Prior standard deviation of each metabolite's shift."
    )
    width_sd_hz: float = Field(
        0.1,
        gt=0,
        le=3,
        description="Prior standard deviation of what each metabolite's line is wider than the "
        "common one and its T2 make it.",
    )
    baseline_flexibility_per_ppm: float | Literal["auto"] = Field(
        "auto",
        description="Effective degrees of freedom of the spline baseline per ppm (0.75 to 7); auto "
        "chooses by an information criterion.",
    )
    lipids: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="Whether the fit has columns for lipids of the scalp; auto adds them where the "
        "spectrum is higher at 1.3 ppm than macromolecules make it.",
    )
    shot_rejection_sd: float = Field(
        2.58,
        gt=1,
        description="Shots whose distance from the median spectrum lies outside the mean plus or "
        "minus this many standard deviations are left out.",
    )

    @field_validator("baseline_flexibility_per_ppm")
    @classmethod
    def _within_spline(cls, value: float | str) -> float | str:
        if not isinstance(value, str) and not 0.75 <= value <= 7:
            raise ValueError("0.75 to 7 degrees of freedom per ppm, or auto, are possible")
        return value

    @field_validator("metabolites")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = (*METABOLITES, *FURTHER_METABOLITES)
        unknown = [name for name in value if name not in known]
        if unknown or len(set(value)) != len(value):
            raise ValueError(f"{unknown or list(value)}: known, each once, are {list(known)}")
        missing = [name for name in ("Cr", "NAA", "GPC") if name not in value]
        if missing:
            raise ValueError(f"{missing} missing: the spectrum is referenced and phased by them")
        return value


class MrsMeasureSettings(_VoxelSettings):
    """Quantification of fitted spectra, and the limits that flag them."""

    relaxation: RelaxationSetName = Field(
        "fsl_mrs_3t", description="Relaxation times and water densities used for concentrations."
    )
    max_fwhm_ppm: float = Field(0.1, gt=0, description="Linewidth above which spectra are flagged.")
    min_snr: float = Field(10.0, ge=0, description="Fit SNR below which spectra are flagged.")
    max_csf_fraction: float = Field(
        0.3, gt=0, le=1, description="CSF share of the voxel above which spectra are flagged."
    )


class MrsSettings(MrsMeasureSettings, MrsPreprocessSettings, EngineSettings):
    """Preprocessing, fitting and quantification of single-voxel spectra."""
