r"""Realignment of diffusion series side by side: commissure and DIPY, on heads of known movement.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 \
        python benchmarks/dwi_realignment.py [--people 1] [--motion 1.0] [--preset clinical]

Simulated people of the `demo` protocol (4 mm, 24 directions, slices that lose their signal), or of
`clinical` (2.5 mm, 60 directions), which has eddy currents and susceptibility distortion besides and is
not given to DIPY. The error is the mean displacement of eight points at the rim of the head; CPU
seconds are without imports. Where there are opposed phase encodings, the error of the field found from
them follows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

from commissure.dwi.builtin.realign import realign
from commissure.dwi.builtin.to_t1w import b0_brain_mask
from commissure.dwi.gradients import Gradients
from commissure.images.rigid import rigid_matrix
from commissure.images.susceptibility import opposed_shift
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.head.anatomy import Anatomy, draw_anatomy
from commissure.phantom.protocol import Protocol, chosen_protocol
from commissure.phantom.scanner.distortion import DWI_READOUT_S, off_resonance
from commissure.phantom.scanner.dwi import DwiSeries, simulate_dwi
from commissure.phantom.scanner.echo_planar import fine_head, voxel_means

#: Rim of the head about its centre, mm; homogeneous columns.
RIM = np.array([[x, y, z, 0] for x in (-60, 60) for y in (-80, 80) for z in (-50, 50)], float).T

Way = Callable[[np.ndarray, np.ndarray, Gradients, np.ndarray], np.ndarray]


def by_nobody(
    series: np.ndarray, affine: np.ndarray, gradients: Gradients, mask: np.ndarray
) -> np.ndarray:
    return np.tile(np.eye(4), (series.shape[3], 1, 1))


def by_commissure(
    series: np.ndarray, affine: np.ndarray, gradients: Gradients, mask: np.ndarray
) -> np.ndarray:
    return realign(series, affine, gradients, mask).matrices


def with_eddies(
    series: np.ndarray, affine: np.ndarray, gradients: Gradients, mask: np.ndarray
) -> np.ndarray:
    return realign(series, affine, gradients, mask, phase=affine[:3, 1] / affine[1, 1]).matrices


def by_dipy(
    series: np.ndarray, affine: np.ndarray, gradients: Gradients, mask: np.ndarray
) -> np.ndarray:
    from dipy.align import motion_correction
    from dipy.core.gradients import gradient_table

    table = gradient_table(gradients.b, bvecs=gradients.directions)
    _, matrices = motion_correction(
        series, table, affine=affine, pipeline=["center_of_mass", "translation", "rigid"]
    )
    return np.moveaxis(matrices, 2, 0)


def eddy_matrices(scan: DwiSeries, centre: np.ndarray) -> np.ndarray:
    """True displacement of each volume along the phase encoding, (volumes, 4, 4)."""
    matrices = np.tile(np.eye(4), (len(scan.bvals), 1, 1))
    if scan.eddy_mm is not None:
        matrices[:, 1, :3] += scan.eddy_mm[:, 1:]
        matrices[:, 1, 3] += scan.eddy_mm[:, 0] - scan.eddy_mm[:, 1:] @ centre
    return matrices


def field_error(
    scan: DwiSeries, head: Anatomy, protocol: Protocol, mask: np.ndarray
) -> tuple[float, float, float] | None:
    """RMS error in mm of the shift from opposed phase encodings: all, where it is large; CPU s."""
    if scan.reversed_b0s is None:
        return None
    template_mm = fine_head(head, protocol.dwi.voxel_mm, pose=scan.since_t1w).template_mm
    true = -DWI_READOUT_S * voxel_means(off_resonance(template_mm, protocol.off_resonance_hz))
    true *= protocol.dwi.voxel_mm
    begin = time.process_time()
    found, _ = opposed_shift(
        scan.data[..., 0], scan.reversed_b0s.mean(axis=3), scan.affine, mask, axis=1
    )
    seconds = time.process_time() - begin
    off, large = (found.mm - true)[mask], np.abs(true[mask]) > 2
    rms, worst = (float(np.sqrt((part**2).mean())) for part in (off, off[large]))
    return rms, worst, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=1)
    parser.add_argument("--motion", type=float, default=1.0, help="factor on everybody's movement")
    parser.add_argument("--preset", default="demo", choices=["demo", "clinical"])
    given = parser.parse_args()
    protocol = chosen_protocol(given.preset)
    people = draw_cohort(
        CohortRequest(
            controls=1, responsive=1, resistant=max(1, given.people - 2), missing=0.0, seed=2
        )
    )[: given.people]
    ways: dict[str, Way] = {"unaligned": by_nobody, "commissure": by_commissure, "DIPY": by_dipy}
    if given.preset == "clinical":
        ways = {
            "unaligned": by_nobody,
            "commissure, rigid": by_commissure,
            "commissure, with eddy currents": with_eddies,
        }
    errors: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for person in people:
        person = replace(person, motion_scale_mm=given.motion * person.motion_scale_mm)
        head = draw_anatomy(person, protocol, np.random.default_rng(person.seed))
        scan = simulate_dwi(head, person, protocol, np.random.default_rng(person.seed + 1))
        series, affine = scan.data.astype(np.float32), scan.affine
        # BIDS directions belong to voxel axes; the simulator's grid has a positive determinant.
        flip = np.where(np.linalg.det(affine[:3, :3]) > 0, -1.0, 1.0)
        directions = np.asarray(scan.bvecs, float)
        directions = (directions if directions.shape[1] == 3 else directions.T) * [flip, 1, 1]
        gradients = Gradients(np.asarray(scan.bvals, float), directions)
        mask = b0_brain_mask(
            series[..., gradients.b0(50)].mean(axis=3), affine, who=person.participant_id
        )
        centre = affine[:3, :3] @ ((np.array(series.shape[:3]) - 1) / 2) + affine[:3, 3]
        true = np.stack([rigid_matrix(pose, centre) for pose in scan.motion])
        true = eddy_matrices(scan, centre) @ true
        rim = RIM + np.append(centre, 1)[:, None]
        for name, way in ways.items():
            begin = time.process_time()
            found = way(series, affine, gradients, mask)
            cpu[name].append(time.process_time() - begin)
            off = np.linalg.norm(((found - true) @ rim)[:, :3], axis=1).mean(axis=1)
            errors[name].append(float(off.mean()))
        if field := field_error(scan, head, protocol, mask):
            print(f"{person.participant_id}: shift off by {field[0]:.2f} mm RMS, "
                  f"{field[1]:.2f} mm where it exceeds 2 mm, {field[2]:.1f} CPU s")  # fmt: skip
    table = Table(title=f"{given.people} people, {protocol.dwi.voxel_mm:g} mm, one thread")
    for column in ("", "mean error mm", "worst person mm", "CPU s"):
        table.add_column(column, justify="right" if column else "left")
    for name in ways:
        table.add_row(
            name,
            f"{np.mean(errors[name]):.3f}",
            f"{np.max(errors[name]):.3f}",
            f"{np.mean(cpu[name]):.1f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
