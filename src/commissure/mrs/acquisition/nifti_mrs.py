"""Reading and writing single-voxel NIfTI-MRS, with the checks that physics allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nifti_mrs.create_nmrs import gen_nifti_mrs

from commissure.errors import DatasetError
from commissure.files import atomic
from commissure.mrs.acquisition.fids import check_voxel, load_fids, measured_points
from commissure.mrs.chemical_shift import GYROMAGNETIC_MHZ_PER_T
from commissure.names import read_sidecars


@dataclass(frozen=True)
class Svs:
    """A single-voxel acquisition.

    Attributes
    ----------
    name
        File name, for messages.
    fids
        complex128, (shots, coils, points), in the convention of
        :mod:`commissure.mrs.chemical_shift`.
    dwell_s, frequency_mhz, te_s, tr_s
        Sampling and timing; the repetition time is NaN where nothing gives it.
    affine
        4x4, voxel to scanner mm: the voxel is the cube from -0.5 to 0.5.
    metadata
        Sidecar and header extension, merged.
    placed
        Whether the header says where the voxel lies; ``affine`` means nothing where it does not.
    """

    name: str
    fids: np.ndarray
    dwell_s: float
    frequency_mhz: float
    te_s: float
    tr_s: float
    affine: np.ndarray
    metadata: Mapping[str, Any] = field(default_factory=dict)
    placed: bool = True

    @property
    def points(self) -> int:
        """Samples of an FID."""
        return self.fids.shape[-1]

    def averaged(self) -> np.ndarray:
        """The FID of a file that holds one."""
        assert self.fids.shape[:2] == (1, 1), "combine and average before"
        return self.fids[0, 0]

    def with_fid(self, fid: np.ndarray) -> Svs:
        """The same acquisition with one FID."""
        return replace(self, fids=fid[None, None])


@dataclass(frozen=True)
class _Physics:
    key: str
    low: float
    high: float
    unit: str
    hint: str


_LIMITS = (
    _Physics("EchoTime", 0.005, 0.5, "s", "it looks like another unit than seconds"),
    _Physics("RepetitionTime", 0.3, 20, "s", "it looks like another unit than seconds"),
    _Physics("SpectrometerFrequency", 60, 600, "MHz", "1.5 T gives 63.9 MHz, 3 T 127.7 MHz"),
    _Physics("SpectralWidth", 500, 20000, "Hz", ""),
)

#: Without a repetition time there are ratios only; the spectral width follows from the dwell time.
_MAY_BE_ABSENT = ("SpectralWidth", "RepetitionTime")


def read_svs(path: Path, sidecars: tuple[Path, ...], *, who: str) -> Svs:
    """Read a NIfTI-MRS file of one spectrum; see :func:`read_conditions`.

    Raises
    ------
    DatasetError
        As there; or the file holds edited sub-spectra.
    """
    conditions = read_conditions(path, sidecars, who=who)
    if len(conditions) > 1:
        raise DatasetError(
            who,
            found=f"{path.name} has the dimension DIM_EDIT",
            wanted="one spectrum",
            mend="Leave the file out, or split it",
        )
    return conditions[""]


def read_conditions(path: Path, sidecars: tuple[Path, ...], *, who: str) -> dict[str, Svs]:
    """Read a NIfTI-MRS file and hold its header and sidecar against physics and each other.

    Parameters
    ----------
    path
        The file.
    sidecars
        JSON files that apply to it, the most specific last; may be empty, the header extension
        of NIfTI-MRS holds the same fields.
    who
        Person and visit, for messages.

    Returns
    -------
    dict
        By editing condition, as ``{"ON": ..., "OFF": ...}``; one entry under the empty name where
        nothing is edited.

    Raises
    ------
    DatasetError
        The file is missing, truncated, no NIfTI-MRS, of another nucleus than protons,
        of more than one voxel, too short, or holds NaN; a field contradicts physics, the
        sidecar contradicts the header, or shots differ in their timing.
    """
    raw = load_fids(path, who=who)
    check_voxel(raw, path, who=who)
    data = measured_points(raw.data, path, who=who)
    header, dwell_s, tags = raw.header, raw.dwell_s, raw.tags
    sidecar = read_sidecars(sidecars, who=who)
    header_name = f"the header of {path.name}"
    for fields, where in ((sidecar, sidecars[-1].name if sidecars else ""), (header, header_name)):
        for limit in _LIMITS:
            if limit.key in fields:
                _check_limit(limit, _scalar(fields[limit.key]), where, who)
    metadata = _agreed(sidecar, header, path, sidecars, who)
    _check_metadata(metadata, dwell_s, path, who)
    frequency = float(metadata["SpectrometerFrequency"])
    _refuse_several_timings(header, tags, data.shape[4:], path, who)
    labels = _by_condition(data, header, tags, path, who)
    return {
        label: Svs(
            name=path.name,
            fids=_shots_by_coils(part, tags, path, who),
            dwell_s=dwell_s,
            frequency_mhz=frequency,
            te_s=float(metadata["EchoTime"]),
            tr_s=float(metadata.get("RepetitionTime", math.nan)),
            affine=raw.affine,
            metadata=metadata,
            placed=raw.placed,
        )
        for label, part in labels.items()
    }


def _check_metadata(metadata: dict[str, Any], dwell_s: float, path: Path, who: str) -> None:
    """Hold the merged metadata against physics; an absent spectral width is filled in."""
    for limit in _LIMITS:
        if limit.key not in (*_MAY_BE_ABSENT, *metadata):
            _check_limit(limit, None, f"the metadata of {path.name}", who)
    nucleus = str(metadata.get("ResonantNucleus", "absent"))
    if nucleus != "1H":
        raise DatasetError(
            who,
            found=f"ResonantNucleus is {nucleus} in {path.name}",
            wanted="1H",
            mend=f"Leave {path.name} out of the dataset's mrs/ or mend its header",
        )
    width = metadata.setdefault("SpectralWidth", 1 / dwell_s)
    if abs(width * dwell_s - 1) > 0.01:
        raise DatasetError(
            who,
            found=f"SpectralWidth is {width:g} Hz and the dwell time of {path.name} {dwell_s:g} s, "
            f"that is {1 / dwell_s:g} Hz",
            wanted="one spectral width",
            mend=f"Mend the sidecar or the header of {path.name}",
        )
    field_t = metadata.get("MagneticFieldStrength")
    if field_t is not None and not _is_number(field_t):
        raise DatasetError(
            who,
            found=f"MagneticFieldStrength is {str(field_t)[:40]!r} in the metadata of {path.name}",
            wanted="a number in tesla",
            mend="Mend the sidecar",
        )
    frequency = float(metadata["SpectrometerFrequency"])
    if field_t is not None and abs(frequency / GYROMAGNETIC_MHZ_PER_T / float(field_t) - 1) > 0.05:
        raise DatasetError(
            who,
            found=f"SpectrometerFrequency is {frequency:g} MHz and MagneticFieldStrength "
            f"{field_t} T in the metadata of {path.name}",
            wanted=f"{GYROMAGNETIC_MHZ_PER_T * float(field_t):.1f} MHz at that field",
            mend="Mend the one that is wrong",
        )


#: Fields that change what a spectrum holds: shots that differ in one are no repeats.
_TIMING_FIELDS = ("EchoTime", "RepetitionTime", "MixingTime", "InversionTime")


def _refuse_several_timings(
    header: Mapping[str, Any],
    tags: list[str | None],
    extra: tuple[int, ...],
    path: Path,
    who: str,
) -> None:
    """Refuse shots whose dimension gives each a timing of its own: they would be averaged."""
    for number, (tag, count) in enumerate(zip(tags, extra, strict=False), start=5):
        fields = header.get(f"dim_{number}_header")
        if count < 2 or not isinstance(fields, Mapping):
            continue
        for key in _TIMING_FIELDS:
            value = fields.get(key)
            if isinstance(value, Mapping):
                # The short form of NIfTI-MRS: a start, and what each step adds.
                several = bool(value.get("increment"))
            else:
                several = isinstance(value, list) and any(not _equal(v, value[0]) for v in value)
            if several:
                raise DatasetError(
                    who,
                    found=f"{key} differs along {tag} of {path.name}: {str(value)[:60]}",
                    wanted="shots of one timing, which may be averaged",
                    mend="Split the file into one for each",
                )


def _by_condition(
    data: np.ndarray, header: Mapping[str, Any], tags: list[str | None], path: Path, who: str
) -> dict[str, np.ndarray]:
    """The data by editing condition; the edited dimension is left with one element."""
    axes = [i for i, (tag, n) in enumerate(zip(tags, data.shape[4:], strict=False), start=5)
            if tag == "DIM_EDIT" and n > 1]  # fmt: skip
    if not axes:
        return {"": data}
    fields = header.get(f"dim_{axes[0]}_header") or {}
    labels = fields.get("EditCondition") if isinstance(fields, Mapping) else None
    if isinstance(labels, Mapping):
        labels = labels.get("Value")
    count = data.shape[axes[0] - 1]
    if not isinstance(labels, list) or sorted(str(v).upper() for v in labels) != ["OFF", "ON"]:
        raise DatasetError(
            who,
            found=f"{path.name} has {count} edited sub-spectra, and its header names them {labels}",
            wanted="two, named ON and OFF under EditCondition of the edited dimension",
            mend="Convert the file again, or leave it out: HERMES and HERCULES are not read",
        )
    parts = np.split(data, count, axis=axes[0] - 1)
    return {str(label).upper(): part for label, part in zip(labels, parts, strict=True)}


def read_svs_fields(path: Path, *, who: str) -> tuple[np.ndarray, float, dict[str, Any]]:
    """Read the one FID of a NIfTI-MRS file with its dwell time and header, unchecked.

    For spectra that no scanner measured: a basis has no repetition time and no voxel.
    """
    raw = load_fids(path, who=who)
    fields = {key: _scalar(value) for key, value in raw.header.items()}
    return raw.data.reshape(raw.data.shape[3], -1)[:, 0], raw.dwell_s, fields


def _agreed(
    sidecar: Mapping[str, Any],
    header: Mapping[str, Any],
    path: Path,
    sidecars: tuple[Path, ...],
    who: str,
) -> dict[str, Any]:
    """Merge sidecar and header extension; what both say must be the same."""
    merged = {key: _scalar(value) for key, value in header.items()}
    for key, value in sidecar.items():
        in_sidecar, in_header = _scalar(value), merged.get(key)
        watched = key == "ResonantNucleus" or any(key == limit.key for limit in _LIMITS)
        if watched and in_header is not None and not _equal(in_sidecar, in_header):
            raise DatasetError(
                who,
                found=f"{key} is {in_sidecar} in {sidecars[-1].name} and {in_header} in the header "
                f"of {path.name}",
                wanted="the same value in both",
                mend=f"Mend the one that is wrong ({_range_of(key)})",
            )
        merged[key] = in_sidecar
    return merged


def _scalar(value: Any) -> Any:
    if isinstance(value, Mapping) and "Value" in value:
        value = value["Value"]
    value = value[0] if isinstance(value, list | tuple) and len(value) == 1 else value
    # JSON knows whole numbers of any size; beyond the largest float they are no quantity.
    return math.inf if isinstance(value, int) and value > 1e300 else value


def _equal(first: Any, second: Any) -> bool:
    if isinstance(first, int | float) and isinstance(second, int | float):
        return abs(first - second) <= 1e-3 * max(abs(first), abs(second))
    return bool(first == second)


def _range_of(key: str) -> str:
    for limit in _LIMITS:
        if limit.key == key:
            return f"{limit.low:g} to {limit.high:g} {limit.unit}"
    return "1H"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_limit(limit: _Physics, value: Any, where: str, who: str) -> None:
    if not _is_number(value):
        raise DatasetError(
            who,
            found=f"{limit.key} is {'absent' if value is None else str(value)[:40]} in {where}",
            wanted=f"a number from {limit.low:g} to {limit.high:g} {limit.unit}",
            mend=f"Give {limit.key} in the JSON sidecar",
        )
    if not limit.low <= value <= limit.high:
        hint = f" ({limit.hint})" if limit.hint else ""
        raise DatasetError(
            who,
            found=f"{limit.key} is {value:.10g} in {where}{hint}",
            wanted=f"{limit.low:g} to {limit.high:g} {limit.unit}",
            mend=f"Mend {where}",
        )


def _shots_by_coils(data: np.ndarray, tags: list[str | None], path: Path, who: str) -> np.ndarray:
    """Bring the dimensions to (shots, coils, points)."""
    known = {"DIM_COIL", "DIM_DYN"}
    extra = data.shape[4:]
    odd = [str(tag) for tag, n in zip(tags, extra, strict=False) if n > 1 and tag not in known]
    if odd:
        raise DatasetError(
            who,
            found=f"{path.name} has the dimension {', '.join(odd)}",
            wanted="coils (DIM_COIL) and shots (DIM_DYN) only",
            mend="The built-in engine does not read this dimension: split the file or leave it out",
        )
    fids = data[0, 0, 0]
    kept: list[str | None] = []
    for axis, n in reversed(list(enumerate(extra, start=1))):
        if n == 1:
            fids = fids.take(0, axis=axis)
        else:
            kept.insert(0, tags[axis - 1])
    fids = np.moveaxis(fids, 0, -1)
    if "DIM_COIL" not in kept:
        fids = fids[..., None, :]
        kept.append("DIM_COIL")
    if "DIM_DYN" not in kept:
        fids = fids[None]
        kept.insert(0, "DIM_DYN")
    if kept[0] == "DIM_COIL":
        fids = fids.swapaxes(0, 1)
    return np.ascontiguousarray(fids)


def write_svs(svs: Svs, path: Path) -> None:
    """Write one averaged FID as NIfTI-MRS with its timing in the header extension."""
    fid = svs.averaged().astype(np.complex64)[None, None, None]
    image = gen_nifti_mrs(fid, svs.dwell_s, svs.frequency_mhz, affine=svs.affine, nifti_version=1)
    image.add_hdr_field("EchoTime", svs.te_s)
    if math.isfinite(svs.tr_s):
        image.add_hdr_field("RepetitionTime", svs.tr_s)
    with atomic(path) as draft:
        nib.save(image.image.nibImage, draft)
