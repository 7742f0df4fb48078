"""What the spins of an acquisition went through, and the basis that this asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from commissure.errors import DatasetError
from commissure.mrs.acquisition.nifti_mrs import Svs
from commissure.mrs.builtin.basis.sequences import PulseSequence, SequenceName
from commissure.mrs.builtin.basis.simulated import Basis, simulated_basis
from commissure.mrs.builtin.basis.stored import check_basis, read_basis, stored_basis_on
from commissure.mrs.settings import MrsPreprocessSettings

#: Words in metadata by the sequence they mean, the telling ones first.
_SEQUENCES: tuple[tuple[str, SequenceName], ...] = (
    ("mega", "mega-press"), ("laser", "slaser"), ("steam", "steam"), ("press", "press"),
)  # fmt: skip

#: Sequences that no basis is simulated for.
_NOT_SIMULATED = ("special", "hermes", "hercules")


def sequence_of(svs: Svs, settings: MrsPreprocessSettings, *, who: str) -> PulseSequence:
    """What the spins of an acquisition went through.

    Raises
    ------
    DatasetError
        The metadata name a sequence that is not simulated, or STEAM without a mixing time.
    """
    name = settings.sequence
    if name == "auto":
        refused = [word for word in _NOT_SIMULATED if word in svs.sequence]
        semi = any(word in svs.sequence for word in ("slaser", "semi"))
        if refused or ("laser" in svs.sequence and not semi):
            raise DatasetError(
                who,
                found=f"the metadata of {svs.name} name the sequence '{svs.sequence}'",
                wanted="PRESS, sLASER, STEAM or MEGA-PRESS, which bases are simulated for",
                mend="Name a basis for it under mrs.basis, or the nearest under mrs.sequence",
            )
        named = [word for word, _ in _SEQUENCES if word in svs.sequence]
        name = dict(_SEQUENCES)[named[0]] if named else "press"
    if name == "steam":
        mixing = svs.metadata.get("MixingTime", settings.mixing_time_s)
        if mixing is None:
            raise DatasetError(
                who,
                found=f"{svs.name} is STEAM and its metadata give no MixingTime",
                wanted="the mixing time in seconds",
                mend="Give MixingTime in the sidecar, or mrs.mixing_time_s",
            )
        return PulseSequence("steam", svs.te_s, mixing_s=float(mixing))
    if name == "slaser":
        return PulseSequence("slaser", svs.te_s)
    if name == "press":
        return PulseSequence("press", svs.te_s, settings.first_echo_s)
    return PulseSequence(
        name, svs.te_s, settings.first_echo_s, edit_ppm=settings.edit_off_ppm,
        edit_bandwidth_hz=settings.edit_bandwidth_hz,
    )  # fmt: skip


def basis_for(svs: Svs, settings: MrsPreprocessSettings, *, who: str) -> tuple[Basis, str]:
    """The basis of an acquisition: the one that the settings name, else a simulated one.

    Returns
    -------
    basis, flag
        ``flag`` says what is doubtful about it; empty where nothing is.

    Raises
    ------
    ConfigError
        The basis named is for another field strength, or for another echo time without leave.
    DatasetError
        The metadata name a sequence that is not simulated.
    """
    sampling: dict[str, Any] = {
        "frequency_mhz": svs.frequency_mhz, "points": svs.points, "dwell_s": svs.dwell_s,
    }  # fmt: skip
    if not settings.basis:
        sequence = sequence_of(svs, settings, who=who)
        return simulated_basis(settings.metabolites, sequence, **sampling), ""
    stored = read_basis(Path(settings.basis))
    flag = check_basis(
        stored,
        te_s=svs.te_s,
        frequency_mhz=svs.frequency_mhz,
        allow_other_echo_time=settings.basis_of_another_echo_time,
        who=who,
    )
    return stored_basis_on(stored, **sampling), flag
