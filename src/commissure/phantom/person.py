"""One simulated person and the scanner they lie in: what images are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Group = Literal["control", "responsive", "resistant"]
Label = Literal["control", "responsive", "resistant", "indeterminate"]

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
    lasting_seed
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
    label: Label = "control"
    session: str = ""
    lasting_seed: int | None = None
