r"""Rigid realignment of BOLD side by side: commissure, antspyx, DIPY, on a head of known movement.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 \
        python benchmarks/realignment.py --volumes 24

The head is nilearn's template in EPI contrast, sampled at 1 mm and carried analytically to every
volume's position, so the movement is known exactly. CPU seconds are without imports.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import nibabel as nib
import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

from commissure.func.builtin.realign import realign
from commissure.images.registration import to_ants
from commissure.images.rigid import rigid_matrix, rigid_pose
from commissure.images.template import template

SIZE_MM = (3.3, 3.3, 4.0)
SHAPE = (64, 64, 36)


def moving_head(
    volumes: int, *, noise: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Series, affine and true movement (T, 6): a random walk with jumps of about a millimetre."""
    rng = np.random.default_rng(seed)
    head = np.zeros(template("T1w").shape, np.float32)
    for tissue, brightness in (("GM", 750), ("WM", 600), ("CSF", 1000)):
        head += brightness * np.asanyarray(template(tissue).dataobj)
    point_spread = np.array(SIZE_MM) * 0.9 / 2.3548
    coefficients = spline_filter(gaussian_filter(head, point_spread), output=np.float32)
    to_head = np.linalg.inv(template("T1w").affine)
    middle = nib.affines.apply_affine(template("T1w").affine, (np.array(head.shape) - 1) / 2)
    affine = np.diag([*SIZE_MM, 1.0])
    affine[:3, 3] = middle - np.array(SIZE_MM) * (np.array(SHAPE) - 1) / 2
    movement = np.cumsum(
        rng.normal(size=(volumes, 6)) * (0.03, 0.05, 0.08, 0.0008, 0.0006, 0.0006), axis=0
    )
    for start in rng.choice(volumes, max(2, volumes // 15), replace=False):
        movement[start:] += rng.normal(size=6) * (0.5, 0.5, 0.8, 0.01, 0.01, 0.01)
    grid = np.indices(SHAPE).reshape(3, -1)
    world = affine[:3, :3] @ grid + affine[:3, 3:]
    series = np.empty((*SHAPE, volumes), np.float32)
    for t, row in enumerate(movement):
        step = to_head @ np.linalg.inv(rigid_matrix(row, middle))
        where = step[:3, :3] @ world + step[:3, 3:]
        values = map_coordinates(coefficients, where, order=3, prefilter=False)
        series[..., t] = values.reshape(SHAPE)
    noisy = series + rng.normal(scale=noise * 700, size=series.shape).astype(np.float32)
    return np.abs(noisy), affine, movement


def by_commissure(series: np.ndarray, affine: np.ndarray, centre: np.ndarray) -> np.ndarray:
    return np.stack([rigid_pose(m, centre) for m in realign(series, affine).matrices()])


def by_antspyx(series: np.ndarray, affine: np.ndarray, centre: np.ndarray) -> np.ndarray:
    import ants

    result = ants.motion_correction(to_ants(nib.Nifti1Image(series, affine)))
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    poses = []
    for files in result["motion_parameters"]:
        transform = ants.read_transform(files if isinstance(files, str) else files[0])
        turn = (
            np.reshape(transform.parameters[-12:-3], (3, 3))
            if len(transform.parameters) == 12
            else _euler(transform.parameters[:3])
        )
        pivot = np.asarray(transform.fixed_parameters[:3])
        matrix = np.eye(4)
        matrix[:3, :3] = turn
        matrix[:3, 3] = np.asarray(transform.parameters[-3:]) + pivot - turn @ pivot
        poses.append(rigid_pose(flip @ matrix @ flip, centre))
    return np.stack(poses)


def _euler(angles: np.ndarray) -> np.ndarray:
    (a, b, c), (u, v, w) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, a, -u], [0, u, a]])
    about_y = np.array([[b, 0, v], [0, 1, 0], [-v, 0, b]])
    about_z = np.array([[c, -w, 0], [w, c, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def by_dipy(series: np.ndarray, affine: np.ndarray, centre: np.ndarray) -> np.ndarray:
    from dipy.align import affine_registration

    reference = series.mean(axis=-1)
    poses = []
    for t in range(series.shape[-1]):
        _, matrix = affine_registration(
            series[..., t],
            reference,
            moving_affine=affine,
            static_affine=affine,
            pipeline=["translation", "rigid"],
        )
        poses.append(rigid_pose(matrix, centre))
    return np.stack(poses)


def error(found: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """RMSE in mm and degrees; the common position, which no method can know, is taken out."""
    difference = found - true
    difference -= difference.mean(axis=0)
    root = np.sqrt((difference**2).mean(axis=0))
    return float(np.sqrt((root[:3] ** 2).mean())), float(
        np.degrees(np.sqrt((root[3:] ** 2).mean()))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--volumes", type=int, default=24)
    parser.add_argument("--noise", type=float, default=0.02, help="share of the brain's signal")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=["commissure", "antspyx", "dipy"])
    chosen = parser.parse_args()
    series, affine, true = moving_head(chosen.volumes, noise=chosen.noise, seed=chosen.seed)
    centre = nib.affines.apply_affine(affine, (np.array(SHAPE) - 1) / 2)
    methods: dict[str, Callable] = {
        "commissure": by_commissure, "antspyx": by_antspyx, "dipy": by_dipy,
    }  # fmt: skip
    import ants  # noqa: F401  (imports are not what is compared)
    import dipy.align  # noqa: F401

    print(f"{chosen.volumes} volumes of {SHAPE}, {SIZE_MM} mm, noise {chosen.noise:.0%}")
    print(f"{'method':<12}{'CPU s':>8}{'s/volume':>10}{'ratio':>7}{'RMSE mm':>9}{'RMSE deg':>10}")
    print(
        f"{'(no motion)':<12}{'':>25}{error(0 * true, true)[0]:>9.4f}{error(0 * true, true)[1]:>10.4f}"
    )
    fastest = None
    for name in chosen.only:
        start = time.process_time()
        found = methods[name](series, affine, centre)
        spent = time.process_time() - start
        fastest = fastest or spent
        millimetres, degrees = error(found, true)
        print(
            f"{name:<12}{spent:>8.1f}{spent / chosen.volumes:>10.3f}{spent / fastest:>7.1f}"
            f"{millimetres:>9.4f}{degrees:>10.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
