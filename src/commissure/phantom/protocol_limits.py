"""What a request must be before anything is drawn: a protocol that a scanner could run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any

import numpy as np

from commissure.errors import ConfigError
from commissure.images.atlas import Atlas, jhu189
from commissure.images.connectivity_sets import SUBCORTEX
from commissure.phantom.person import PRESETS, SEQUENCES, Protocol
from commissure.phantom.scanner.distortion import BOLD_READOUT_S, DWI_READOUT_S, steepest_shift

#: Least and greatest value of every number of a protocol that may be asked for.
LIMITS: Mapping[str, tuple[float, float]] = {
    "t1w_mm": (0.5, np.inf),
    "t1w_snr": (1, 1e6),
    "bold_mm": (1.5, np.inf),
    "bold_volumes": (10, 5000),
    "bold_tr_s": (0.2, 10),
    "bold_te_s": (0.005, 0.1),
    "bold_tsnr": (1, 1e6),
    "dwi_mm": (1.2, np.inf),
    "dwi_directions": (6, 500),
    "dwi_b0s": (1, 50),
    "dwi_b_value": (100, 10_000),
    "dwi_snr": (1, 1e6),
    "dwi_eddy_mm": (0, 20),
    "dwi_reversed_b0s": (0, 50),
    "mrs_shots": (1, 1024),
    "mrs_coils": (1, 128),
    "mrs_points": (512, 16_384),
    "mrs_snr": (1, 1e8),
    "mrs_edit_ppm": (0.5, 6.0),
    "mrs_tr_s": (0.5, 20),
    "mrs_spectral_width_hz": (1000, 20_000),
    "field_hz": (0, 300),
}

#: Shortest echo time, in seconds, that each sequence has room for, and the longest of all.
SHORTEST_TE_S = {"PRESS": 0.012, "sLASER": 0.024, "MEGA-PRESS": 0.060}
LONGEST_TE_S = 0.3

_SPECTROSCOPY_EDGE_MM = (8.0, 40.0)


def chosen_protocol(preset: str, changes: Mapping[str, Any]) -> Protocol:
    """Take a preset and change what the request says.

    Parameters
    ----------
    preset
        Name, one of :data:`commissure.phantom.person.PRESETS`.
    changes
        Values by the names of :class:`commissure.phantom.person.Protocol`; ``None`` is no change.

    Raises
    ------
    ConfigError
        The preset or a name is unknown, or no scanner could run this, or its voxels are coarser
        than a structure that is measured in them.
    """
    if preset not in PRESETS:
        raise ConfigError(
            "--preset", found=f"'{preset}' is not known", wanted=f"one of {', '.join(PRESETS)}"
        )
    wanted = {name: value for name, value in changes.items() if value is not None}
    unknown = sorted(
        set(wanted) - {field.name for field in fields(Protocol) if field.name != "name"}
    )
    if unknown:
        raise ConfigError(
            "simulate",
            found=f"a protocol has no {', '.join(unknown)}",
            wanted=f"names among {', '.join(f.name for f in fields(Protocol) if f.name != 'name')}",
        )
    protocol = replace(PRESETS[preset], **wanted)
    _refuse_impossible(protocol)
    return protocol


def _refuse_impossible(protocol: Protocol) -> None:
    for name, (low, high) in LIMITS.items():
        value = getattr(protocol, name)
        if not low <= value <= high:
            raise _refusal(
                name, value, f"{low:g} or more" if np.isinf(high) else f"{low:g} to {high:g}"
            )
    for name, (size, what) in smallest_structures().items():
        value = getattr(protocol, name)
        if value > size:
            raise _refusal(
                name,
                value,
                f"{size:.1f} mm or less, the edge of a cube as large as {what}, the smallest "
                "structure measured there",
            )
    if protocol.mrs_sequence not in SEQUENCES:
        raise _refusal("mrs_sequence", protocol.mrs_sequence, f"one of {', '.join(SEQUENCES)}")
    shortest = SHORTEST_TE_S[protocol.mrs_sequence]
    if not shortest <= protocol.mrs_te_s <= LONGEST_TE_S:
        raise _refusal(
            "mrs_te_s",
            protocol.mrs_te_s,
            f"{shortest:g} to {LONGEST_TE_S:g} s for {protocol.mrs_sequence}",
        )
    if protocol.mrs_sequence == "MEGA-PRESS" and protocol.mrs_shots % 2:
        raise _refusal(
            "mrs_shots", protocol.mrs_shots, "an even number: half with the editing pulse"
        )
    low, high = _SPECTROSCOPY_EDGE_MM
    if not all(low <= edge <= high for edge in protocol.mrs_voxel_mm):
        raise _refusal("mrs_voxel_mm", protocol.mrs_voxel_mm, f"edges of {low:g} to {high:g} mm")
    if protocol.bold_te_s >= protocol.bold_tr_s:
        raise _refusal(
            "bold_te_s", protocol.bold_te_s, f"less than the TR of {protocol.bold_tr_s:g} s"
        )
    for name, readout_s, voxel_mm in (
        ("bold_mm", BOLD_READOUT_S, protocol.bold_mm),
        ("dwi_mm", DWI_READOUT_S, protocol.dwi_mm),
    ):
        if steepest_shift(protocol.field_hz, readout_s, voxel_mm) >= 0.9:
            raise _refusal(
                "field_hz",
                f"{protocol.field_hz:g} with a {name} of {voxel_mm:g}: the image folds over itself",
                "a weaker field or smaller voxels",
            )
    for b, directions in protocol.dwi_more_shells:
        if not (100 <= b <= 10_000 and 6 <= directions <= 500) or b == protocol.dwi_b_value:
            raise _refusal(
                "dwi_more_shells",
                f"{b:g}:{directions}",
                "another b-value from 100 to 10000 s/mm² with 6 to 500 directions",
            )


def _refusal(name: str, found: object, wanted: str) -> ConfigError:
    return ConfigError(
        f"--{name.removesuffix('_s').replace('_', '-')}", found=f"{found}", wanted=wanted
    )


@lru_cache(maxsize=1)
def smallest_structures() -> dict[str, tuple[float, str]]:
    """By the protocol's voxel size: the edge in mm of the smallest structure, and its name."""
    atlas = jhu189()
    structures, tracts = _edges_mm(atlas, "structure"), _edges_mm(atlas, "tract")
    deep = {name: structures[name] for name in SUBCORTEX}
    least = {"t1w_mm": structures, "bold_mm": deep, "dwi_mm": tracts}
    return {
        name: min((edge, structure) for structure, edge in edges.items())
        for name, edges in least.items()
    }


def _edges_mm(atlas: Atlas, kind: str) -> dict[str, float]:
    """Edge of the cube that has a structure's volume, by structure."""
    counts = np.bincount(np.asanyarray(atlas.image.dataobj).ravel())
    voxel = abs(np.linalg.det(atlas.image.affine[:3, :3]))
    return {
        name: float((counts[list(numbers)].sum() * voxel) ** (1 / 3))
        for name, numbers in atlas.groups(kind).items()
    }
