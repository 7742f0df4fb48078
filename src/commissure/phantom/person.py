"""One simulated person, his scanner and the protocol: what images are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Group = Literal["control", "responsive", "resistant"]

GROUPS: tuple[Group, ...] = ("control", "responsive", "resistant")


@dataclass(frozen=True)
class Scanner:
    """What makes one site's images differ from another's.

    Attributes
    ----------
    site
        Name of the site, as in ``participants.tsv``.
    t1w_gamma
        Exponent applied to the T1w contrast (1 leaves it as it is).
    snr_factor
        Factor on the signal-to-noise ratio of every modality.
    manufacturer, model
        What the sidecars say.
    """

    site: str
    t1w_gamma: float = 1.0
    snr_factor: float = 1.0
    manufacturer: str = "Siemens"
    model: str = "Phantom"


@dataclass(frozen=True)
class Trial:
    """One course of an antipsychotic, a row of ``sourcedata/treatments.tsv``.

    Attributes
    ----------
    drug, dose_mg
        What was taken, mg a day.
    cpz_eq_mg
        The dose in chlorpromazine equivalents.
    weeks_at_dose
        Weeks at that dose.
    adherence
        Share of the doses that were taken.
    adherence_sources
        How many independent sources (pill count, plasma level, relative ...) say so.
    panss_before, panss_after
        PANSS total, 30 to 210.
    """

    drug: str
    dose_mg: float
    cpz_eq_mg: float
    weeks_at_dose: int
    adherence: float
    adherence_sources: int
    panss_before: int
    panss_after: int


@dataclass(frozen=True)
class Person:
    """One simulated person: everything that the images are drawn from.

    Attributes
    ----------
    participant_id
        With its prefix, as ``sub-01``.
    group
        ``control``, ``responsive`` or ``resistant``: the truth, which the dataset itself never
        names (patients' labels follow from ``sourcedata/treatments.tsv``).
    site
        Name of the site.
    age
        Years.
    sex
        ``F`` or ``M``.
    modalities
        Which of ``anat``, ``func``, ``dwi``, ``mrs`` were acquired. The head itself exists in
        any case.
    markers
        Wanted true values by ``(marker, region)``:

        - ``("volume_factor", structure)``: volume over that of the template at this head's size,
          as ``("volume_factor", "Hippocampus_L") -> 0.96``; region ``head``: factor on the volume
          of the whole head;
        - ``("fa", tract)``: fractional anisotropy, as ``("fa", "GCC") -> 0.62``;
        - ``("fc", network)``: correlation of the latent signals of two parcels of the network,
          as ``("fc", "Default") -> 0.45``; ``("fc", "A-B")`` between networks;
        - ``("fc_dlpfc_strength", "DLPFC_bilateral")``, ``("fc_thal_cortex", "Cont")``,
          ``("fc_striatum_cortex", "frontal")``: latent correlations likewise;
        - ``("glu", "ACC")`` and ``gln gsh tnaa tcr tcho ins``: mmol per kg of tissue water.
    motion_scale_mm
        Mean framewise displacement aimed at in the BOLD run.
    seed
        Every random draw about this scan starts here: pose, movement, noise.
    scanner
        The site's machine.
    clinical
        Columns of ``participants.tsv`` beyond age, sex and site; absent where not applicable.
    trials
        Courses of treatment, in order; none for controls.
    label
        What the treatment history must be read as: ``control``, ``responsive``, ``resistant``, or
        ``indeterminate`` for those whose trials were never adequate.
    session
        Name of the visit or site, as ``1``; empty where a person is scanned once.
    own_seed
        What stays from scan to scan starts here: the shape of the head, the pairs of the
        connectivity, the minor metabolites. ``None`` is the seed of the scan.
    """

    participant_id: str
    group: Group
    site: str
    age: float
    sex: str
    modalities: frozenset[str]
    markers: Mapping[tuple[str, str], float]
    motion_scale_mm: float
    seed: int
    scanner: Scanner = field(default_factory=lambda: Scanner("A"))
    clinical: Mapping[str, float] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    label: Literal["control", "responsive", "resistant", "indeterminate"] = "control"
    session: str = ""
    own_seed: int | None = None


@dataclass(frozen=True)
class Protocol:
    """How a person is measured; times in seconds, lengths in mm.

    Attributes
    ----------
    t1w_mm, bold_mm, dwi_mm
        Edge of the isotropic voxels.
    t1w_snr, dwi_snr
        White matter's mean over the noise SD of one image (b = 0 for diffusion).
    bold_tsnr
        Mean over the SD of the thermal noise alone, in grey matter.
    mrs_snr
        Height of the tNAA peak over the noise SD of the averaged, combined spectrum.
    mrs_voxel_mm
        Edges of the spectroscopy voxel (left-right, posterior-anterior, inferior-superior).
    field_mhz
        Proton imaging frequency.
    mrs_sequence
        One of :data:`SEQUENCES`.
    mrs_edit_ppm
        Where the editing pulses of MEGA-PRESS stand: 4.56 edits glutathione, 1.9 GABA.
    dwi_more_shells
        Further shells, each (b-value in s/mm², directions).
    dwi_crossing
        Whether a second bundle crosses the first in the corona radiata, the superior longitudinal
        fasciculus and the white matter between them and the cortex.
    dwi_eddy_mm
        Largest displacement along the phase encoding, within the brain, that the eddy currents of
        a gradient at the largest b-value cause; 0 is none.
    dwi_reversed_b0s
        Unweighted volumes with the opposite phase encoding, in a file of their own below ``fmap``.
    field_hz
        Off-resonance at its strongest, above the sinuses; it displaces echo-planar images, and the
        true field map is written beside the BOLD run. 0 is none.
    """

    name: str
    t1w_mm: float
    t1w_snr: float
    bold_mm: float
    bold_volumes: int
    bold_tr_s: float
    bold_te_s: float
    bold_tsnr: float
    dwi_mm: float
    dwi_directions: int
    dwi_b0s: int
    dwi_b_value: float
    dwi_snr: float
    mrs_shots: int
    mrs_coils: int
    mrs_points: int
    mrs_snr: float
    mrs_te_s: float
    mrs_tr_s: float
    mrs_spectral_width_hz: float
    mrs_voxel_mm: tuple[float, float, float]
    field_mhz: float = 123.25
    mrs_sequence: str = "PRESS"
    mrs_edit_ppm: float = 4.56
    dwi_more_shells: tuple[tuple[float, int], ...] = ()
    dwi_crossing: bool = False
    dwi_eddy_mm: float = 0.0
    dwi_reversed_b0s: int = 0
    field_hz: float = 0.0

    @property
    def field_t(self) -> float:
        """Field strength in tesla (proton gyromagnetic ratio 42.577 MHz/T)."""
        return self.field_mhz / 42.577


#: Sequences of spectroscopy that can be simulated.
SEQUENCES = ("PRESS", "sLASER", "MEGA-PRESS")

PRESETS: dict[str, Protocol] = {
    "demo": Protocol(
        name="demo",
        t1w_mm=3.0,
        t1w_snr=30.0,
        bold_mm=5.0,
        bold_volumes=168,
        bold_tr_s=3.0,
        bold_te_s=0.030,
        bold_tsnr=60.0,
        dwi_mm=4.0,
        dwi_directions=24,
        dwi_b0s=2,
        dwi_b_value=1000.0,
        dwi_snr=25.0,
        mrs_shots=32,
        mrs_coils=4,
        mrs_points=2048,
        mrs_snr=100.0,
        mrs_te_s=0.030,
        mrs_tr_s=2.0,
        mrs_spectral_width_hz=2000.0,
        mrs_voxel_mm=(20.0, 20.0, 20.0),
    ),
    "tiny": Protocol(
        name="tiny",
        t1w_mm=3.5,
        t1w_snr=30.0,
        bold_mm=6.0,
        bold_volumes=140,
        bold_tr_s=2.0,
        bold_te_s=0.030,
        bold_tsnr=60.0,
        dwi_mm=5.0,
        dwi_directions=15,
        dwi_b0s=2,
        dwi_b_value=1000.0,
        dwi_snr=25.0,
        mrs_shots=8,
        mrs_coils=2,
        mrs_points=1024,
        mrs_snr=100.0,
        mrs_te_s=0.030,
        mrs_tr_s=2.0,
        mrs_spectral_width_hz=2000.0,
        mrs_voxel_mm=(20.0, 20.0, 20.0),
    ),
}
PRESETS["clinical"] = replace(
    PRESETS["demo"],
    name="clinical",
    t1w_mm=1.0,
    bold_mm=3.0,
    bold_volumes=240,
    bold_tr_s=2.0,
    dwi_mm=2.5,
    dwi_directions=60,
    dwi_b0s=5,
    mrs_shots=96,
    mrs_coils=8,
    dwi_crossing=True,
    dwi_eddy_mm=2.0,
    dwi_reversed_b0s=2,
    field_hz=60.0,
)
PRESETS["null"] = replace(PRESETS["demo"], name="null")

#: Presets whose people do not differ by group.
WITHOUT_EFFECTS = ("null",)
