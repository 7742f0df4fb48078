"""How simulated people are measured: a protocol that a scanner could run."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any, Literal, Self

import numpy as np
from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from commissure.errors import ConfigError
from commissure.images.atlas import Atlas, jhu_dti81, regions
from commissure.images.connectivity_sets import SUBCORTEX
from commissure.phantom.scanner.distortion import BOLD_READOUT_S, DWI_READOUT_S, steepest_shift
from commissure.settings import Section, validated

SequenceName = Literal["PRESS", "sLASER", "MEGA-PRESS"]

#: Shortest echo time, in seconds, that each sequence has room for, and the longest of all.
SHORTEST_TE_S: Mapping[str, float] = {"PRESS": 0.012, "sLASER": 0.024, "MEGA-PRESS": 0.060}
LONGEST_TE_S = 0.3

#: Longest echo time of BOLD, in seconds.
LONGEST_BOLD_TE_S = 0.1

_SPECTROSCOPY_EDGE_MM = (8.0, 40.0)


class RequestSection(Section):
    """Settings of the simulator: defaults are checked too, since they meet what was changed."""

    model_config = ConfigDict(validate_default=True, allow_inf_nan=False)


class AnatProtocol(RequestSection):
    """The T1w image."""

    voxel_mm: float = Field(3.0, ge=0.5, description="Edge of the isotropic voxels.")
    snr: float = Field(
        30.0, ge=1, le=1e6, description="White matter's mean over the SD of the noise."
    )

    @field_validator("voxel_mm")
    @classmethod
    def _shows_every_structure(cls, value: float) -> float:
        return _not_coarser("anat", value)


class FuncProtocol(RequestSection):
    """The resting-state run."""

    voxel_mm: float = Field(5.0, ge=1.5, description="Edge of the isotropic voxels.")
    volumes: int = Field(168, ge=10, le=5000, description="Volumes of the run.")
    repetition_time_s: float = Field(3.0, ge=0.2, le=10, description="From volume to volume.")
    echo_time_s: float = Field(0.030, ge=0.005, le=0.1, description="Time of the echo.")
    more_echoes_s: tuple[float, ...] = Field(
        (), description="Times of further echoes of each volume, one image each (`echo-`)."
    )
    tsnr: float = Field(
        60.0,
        ge=1,
        le=1e6,
        description="Grey matter's mean over the SD over time of the thermal noise alone.",
    )

    @field_validator("voxel_mm")
    @classmethod
    def _shows_every_structure(cls, value: float) -> float:
        return _not_coarser("func", value)

    @field_validator("echo_time_s")
    @classmethod
    def _comes_before_the_next_volume(cls, value: float, info: ValidationInfo) -> float:
        repetition_time_s = info.data.get("repetition_time_s")
        if repetition_time_s is not None and value >= repetition_time_s:
            raise ValueError(
                f"less than the repetition time of {repetition_time_s:g} s is expected"
            )
        return value

    @field_validator("more_echoes_s")
    @classmethod
    def _come_after_the_first(
        cls, times_s: tuple[float, ...], info: ValidationInfo
    ) -> tuple[float, ...]:
        all_times = (info.data.get("echo_time_s", 0.0), *times_s)
        if list(all_times) != sorted(set(all_times)) or all_times[-1] > LONGEST_BOLD_TE_S:
            raise ValueError(
                f"rising times after func.echo_time_s, up to {LONGEST_BOLD_TE_S:g} s, are expected"
            )
        return times_s


class DwiProtocol(RequestSection):
    """The diffusion series."""

    voxel_mm: float = Field(4.0, ge=1.2, description="Edge of the isotropic voxels.")
    directions: int = Field(24, ge=6, le=500, description="Directions of the first shell.")
    b_value_s_mm2: float = Field(
        1000.0, ge=100, le=10_000, description="b-value of the first shell."
    )
    b0s: int = Field(2, ge=1, le=50, description="Unweighted volumes.")
    more_shells: tuple[tuple[float, int], ...] = Field(
        (), description="Further shells, each [b-value in s/mm², directions]."
    )
    snr: float = Field(
        25.0, ge=1, le=1e6, description="White matter's mean at b 0 over the SD of the noise."
    )
    crossing: bool = Field(
        False,
        description="Whether a second bundle crosses the first in the corona radiata, the superior "
        "longitudinal fasciculus and the white matter between them and the cortex.",
    )
    eddy_mm: float = Field(
        0.0,
        ge=0,
        le=20,
        description="Largest displacement along the phase encoding, within the brain, by the eddy "
        "currents of a gradient at the largest b-value.",
    )
    reversed_b0s: int = Field(
        0,
        ge=0,
        le=50,
        description="Unweighted volumes with the opposite phase encoding, in a file below fmap.",
    )

    @field_validator("voxel_mm")
    @classmethod
    def _shows_every_tract(cls, value: float) -> float:
        return _not_coarser("dwi", value)

    @field_validator("more_shells")
    @classmethod
    def _are_other_shells(
        cls, shells: tuple[tuple[float, int], ...], info: ValidationInfo
    ) -> tuple[tuple[float, int], ...]:
        first = info.data.get("b_value_s_mm2")
        for b_value, directions in shells:
            possible = 100 <= b_value <= 10_000 and 6 <= directions <= 500
            if not possible or b_value == first:
                raise ValueError(
                    "another b-value from 100 to 10000 s/mm² with 6 to 500 directions is expected"
                )
        return shells


class MrsProtocol(RequestSection):
    """The spectrum of the anterior cingulate."""

    sequence: SequenceName = Field(
        "PRESS", description="Localisation: PRESS, sLASER or MEGA-PRESS."
    )
    edit_ppm: float = Field(
        4.56,
        ge=0.5,
        le=6.0,
        description="Editing pulses of MEGA-PRESS: 4.56 edits glutathione, 1.9 GABA.",
    )
    echo_time_s: float = Field(
        0.030, description="Time of the echo: at least what the sequence has room for, at most 0.3."
    )
    repetition_time_s: float = Field(2.0, ge=0.5, le=20, description="From transient to transient.")
    transients: int = Field(32, ge=1, le=1024, description="Transients; an even number if edited.")
    coils: int = Field(4, ge=1, le=128, description="Receive coils.")
    points: int = Field(2048, ge=512, le=16_384, description="Points of each transient.")
    spectral_width_hz: float = Field(2000.0, ge=1000, le=20_000, description="Sampling frequency.")
    voxel_mm: tuple[float, float, float] = Field(
        (20.0, 20.0, 20.0),
        description="Edges of the voxel, each 8 to 40 (left-right, posterior-anterior, "
        "inferior-superior).",
    )
    snr: float = Field(
        100.0,
        ge=1,
        le=1e8,
        description="Height of tNAA over the SD of the noise in the averaged, combined spectrum.",
    )

    @field_validator("echo_time_s")
    @classmethod
    def _has_room_for_the_pulses(cls, value: float, info: ValidationInfo) -> float:
        sequence = info.data.get("sequence", "PRESS")
        if not SHORTEST_TE_S[sequence] <= value <= LONGEST_TE_S:
            raise ValueError(
                f"{SHORTEST_TE_S[sequence]:g} to {LONGEST_TE_S:g} s for {sequence} is expected"
            )
        return value

    @field_validator("transients")
    @classmethod
    def _halves_if_edited(cls, value: int, info: ValidationInfo) -> int:
        if info.data.get("sequence") == "MEGA-PRESS" and value % 2:
            raise ValueError("an even number is expected: half with the editing pulse")
        return value

    @field_validator("voxel_mm")
    @classmethod
    def _fits_in_the_cingulate(
        cls, edges: tuple[float, float, float]
    ) -> tuple[float, float, float]:
        low, high = _SPECTROSCOPY_EDGE_MM
        if not all(low <= edge <= high for edge in edges):
            raise ValueError(f"edges of {low:g} to {high:g} mm are expected")
        return edges


class Protocol(RequestSection):
    """How a person is measured; the defaults are those of the preset ``demo``."""

    anat: AnatProtocol = Field(default_factory=AnatProtocol)
    func: FuncProtocol = Field(default_factory=FuncProtocol)
    dwi: DwiProtocol = Field(default_factory=DwiProtocol)
    mrs: MrsProtocol = Field(default_factory=MrsProtocol)
    off_resonance_hz: float = Field(
        0.0,
        ge=0,
        le=300,
        description="Off-resonance at its strongest, above the sinuses: it displaces BOLD and "
        "diffusion images, and the true field map is written beside the BOLD run.",
    )
    proton_mhz: float = Field(123.25, ge=60, le=300, description="Imaging frequency of protons.")

    @field_validator("off_resonance_hz")
    @classmethod
    def _leaves_the_image_unfolded(cls, value: float, info: ValidationInfo) -> float:
        for name, readout_s in (("func", BOLD_READOUT_S), ("dwi", DWI_READOUT_S)):
            section = info.data.get(name)
            if section and steepest_shift(value, readout_s, section.voxel_mm) >= 0.9:
                raise ValueError(
                    f"a weaker field or smaller voxels are expected: with a {name}.voxel_mm of "
                    f"{section.voxel_mm:g} the image folds over itself"
                )
        return value

    @property
    def field_t(self) -> float:
        """Field strength in tesla (proton gyromagnetic ratio 42.577 MHz/T)."""
        return self.proton_mhz / 42.577

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """Take other values, by dotted name as ``dwi.voxel_mm``, and check everything again."""
        return validated(type(self), merged(self.model_dump(), changes), who="simulate")


#: What each preset changes in the defaults.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "demo": {},
    "clinical": {
        "anat": {"voxel_mm": 1.0},
        "func": {"voxel_mm": 3.0, "volumes": 240, "repetition_time_s": 2.0},
        "dwi": {
            "voxel_mm": 2.5,
            "directions": 60,
            "b0s": 5,
            "crossing": True,
            "eddy_mm": 2.0,
            "reversed_b0s": 2,
        },
        "mrs": {"transients": 96, "coils": 8},
        "off_resonance_hz": 60.0,
    },
    "null": {},
    "tiny": {
        "anat": {"voxel_mm": 3.5},
        "func": {"voxel_mm": 6.0, "volumes": 140, "repetition_time_s": 2.0},
        "dwi": {"voxel_mm": 5.0, "directions": 15},
        "mrs": {"transients": 8, "coils": 2, "points": 1024},
    },
}


def chosen_protocol(preset: str, changes: Mapping[str, Any] | None = None) -> Protocol:
    """Take a preset and change what is asked for.

    Parameters
    ----------
    preset
        Name, one of :data:`PRESETS`.
    changes
        Values by dotted name, as ``{"dwi.voxel_mm": 2.0}``.

    Raises
    ------
    ConfigError
        The preset or a name is unknown, or no scanner could run this, or its voxels are coarser
        than a structure that is measured in them; every problem is named at once.
    """
    return validated(Protocol, merged(known_preset(preset), changes or {}), who="simulate")


def known_preset(preset: str) -> Mapping[str, Any]:
    """What a preset changes in the defaults; a name that is not known is refused."""
    if preset not in PRESETS:
        raise ConfigError(
            "--preset", found=f"'{preset}' is not known", wanted=f"one of {', '.join(PRESETS)}"
        )
    return PRESETS[preset]


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values with changes, which come by dotted name, put in their places."""
    values = deepcopy(dict(base))
    for name, value in changes.items():
        *sections, leaf = name.split(".")
        inner = values
        for section in sections:
            if not isinstance(inner.get(section), dict):
                inner[section] = {}
            inner = inner[section]
        inner[leaf] = value
    return values


@lru_cache(maxsize=1)
def smallest_structures() -> dict[str, tuple[float, str]]:
    """By modality: the edge in mm of the smallest structure measured there, and its name."""
    structures, tracts = _edges_mm(regions(), "structure"), _edges_mm(jhu_dti81(), "tract")
    deep = {name: structures[name] for name in SUBCORTEX}
    measured = {"anat": structures, "func": deep, "dwi": tracts}
    return {
        modality: min((edge, structure) for structure, edge in edges.items())
        for modality, edges in measured.items()
    }


def _edges_mm(atlas: Atlas, kind: str) -> dict[str, float]:
    """Edge of the cube that has a structure's volume, by structure."""
    counts = np.bincount(np.asanyarray(atlas.image.dataobj).ravel())
    voxel = abs(np.linalg.det(atlas.image.affine[:3, :3]))
    return {
        name: float((counts[list(numbers)].sum() * voxel) ** (1 / 3))
        for name, numbers in atlas.groups(kind).items()
    }


def _not_coarser(modality: str, edge_mm: float) -> float:
    size_mm, structure = smallest_structures()[modality]
    if edge_mm > size_mm:
        raise ValueError(
            f"{size_mm:.1f} mm or less is expected, the edge of a cube as large as {structure}, "
            "the smallest structure measured there"
        )
    return edge_mm
