r"""Rigid realignment of BOLD side by side: commissure, antspyx, DIPY, on a head of known movement.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 \
        python benchmarks/realignment.py --volumes 24 [--faults dropout drift distortion]
        python benchmarks/realignment.py --real BOLD.nii.gz --only commissure antspyx

The head is nilearn's template in EPI contrast, sampled at 1 mm and carried analytically to every
volume's position, so the movement is known exactly. CPU seconds are without imports. Of faults,
`dropout` takes signal away above the sinuses and, slice by slice, in every tenth volume; `drift` changes brightness slowly,
unevenly over the head; `distortion` shifts signal along the second axis, in a field that moves with the head as the lost signal does.

Of a real series the share of variance is printed that is left in the brain once it is realigned, of what it had as acquired,
after a quadratic trend is taken out of each voxel. With `--lost` (a real series or the head) one to three adjacent slices of every sixth
volume lose 40 to 100 % of their signal, evenly or to one side, and the movement found in these volumes is compared with that before.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

import nibabel as nib
import numpy as np
from scipy import ndimage
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

from commissure.func.builtin.normalisation import brain_mask, resampled_series
from commissure.func.builtin.realign import Motion, realign
from commissure.images.registration import to_ants
from commissure.images.rigid import rigid_matrix, rigid_pose
from commissure.images.template import template
from commissure.phantom.scanner.distortion import displacement

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


def dropout(
    series: np.ndarray, affine: np.ndarray, head: np.ndarray, rng: np.random.Generator
) -> None:
    """Take away signal above the sinuses, and of a slice in every tenth volume."""
    for t, (x, y, z) in enumerate(places_in_head(affine, head)):
        far = (x / 17) ** 2 + ((y - 42) / 13) ** 2 + ((z + 24) / 11) ** 2
        series[..., t] *= (1 - 0.75 * np.exp(-far / 2)).astype(np.float32)
    for t in range(4, series.shape[3], 10):
        series[:, :, rng.integers(series.shape[2] // 4, 3 * series.shape[2] // 4), t] *= 0.5


def drift(
    series: np.ndarray, affine: np.ndarray, head: np.ndarray, rng: np.random.Generator
) -> None:
    """Change brightness by up to 3 % over the run, and by the place."""
    x, y, z = (axis / 80 for axis in world_of(affine))
    shape = (0.6 + 0.5 * y - 0.4 * x * z + 0.3 * z**2).astype(np.float32)
    time = np.linspace(0, 1, series.shape[3])
    course = 0.03 * (time + 0.3 * np.sin(2 * np.pi * 1.5 * time))
    series *= 1 + shape[..., None] * course.astype(np.float32)


def distortion(
    series: np.ndarray, affine: np.ndarray, head: np.ndarray, rng: np.random.Generator
) -> None:
    """Shift signal along the second axis by up to 8 mm, and thin it where it is stretched."""
    for t, (x, y, z) in enumerate(places_in_head(affine, head)):
        shift = sum(
            share * np.exp(-(((x - a) / 20) ** 2 + ((y - b) / 18) ** 2 + ((z - c) / 16) ** 2) / 2)
            for a, b, c, share in ((0, 42, -24, 1.0), (-48, -22, -34, 0.6), (48, -22, -34, 0.6))
        )
        seen = displacement((8 / SIZE_MM[1] * shift).astype(np.float32))
        places, factor = seen.origins(np.indices(SHAPE).reshape(3, -1))
        values = map_coordinates(series[..., t], places, order=3, mode="nearest") * factor
        series[..., t] = values.reshape(SHAPE)


def print_lost(series: np.ndarray, affine: np.ndarray, method: Callable, seed: int) -> None:
    """Print how far volumes move whose slices lose their signal, and how far the others."""
    rng = np.random.default_rng(seed)
    centre = nib.affines.apply_affine(affine, (np.array(series.shape[:3]) - 1) / 2)
    damaged, slices = series.copy(), series.shape[2]
    chosen = np.arange(3, series.shape[3], 6)
    for t in chosen:
        start, many = rng.integers(slices // 4, 3 * slices // 4), rng.integers(1, 4)
        side = np.linspace(0, 1, len(series))[:, None, None] if rng.random() < 0.5 else 1.0
        damaged[:, :, start : start + many, t] *= 1 - rng.uniform(0.4, 1.0) * side
    apart = method(damaged, affine, centre) - method(series, affine, centre)
    apart -= np.median(apart, axis=0)
    apart[:, 3:] = np.degrees(apart[:, 3:])
    for who, rows in (("lost slices", apart[chosen]), ("others", np.delete(apart, chosen, axis=0))):
        root, largest = np.sqrt((rows**2).reshape(-1, 2, 3).mean(axis=(0, 2))), np.abs(rows)
        print(
            f"{who} ({len(rows)}): {root[0]:.4f} mm, {root[1]:.4f} deg; "
            f"largest {largest[:, :3].max():.3f} mm, {largest[:, 3:].max():.3f} deg"
        )


FAULTS = {"dropout": dropout, "drift": drift, "distortion": distortion}


def world_of(affine: np.ndarray) -> np.ndarray:
    """Places of the voxels in mm, (3, x, y, z)."""
    index = np.indices(SHAPE)
    return np.tensordot(affine[:3, :3], index, 1) + affine[:3, 3].reshape(3, 1, 1, 1)


def places_in_head(affine: np.ndarray, movement: np.ndarray) -> Iterator[np.ndarray]:
    """Of every volume the places in the head that its voxels lie at, (3, x, y, z) mm."""
    world = world_of(affine)
    middle = nib.affines.apply_affine(
        template("T1w").affine, (np.array(template("T1w").shape) - 1) / 2
    )
    for row in movement:
        back = np.linalg.inv(rigid_matrix(row, middle))
        yield np.tensordot(back[:3, :3], world, 1) + back[:3, 3].reshape(3, 1, 1, 1)


def variance_left(path: str, chosen: list[str], methods: dict[str, Callable]) -> None:
    """Print what of a real series' variance each method leaves."""
    image = nib.load(path)
    series, affine = np.asarray(image.dataobj, np.float32), image.affine
    centre = nib.affines.apply_affine(affine, (np.array(series.shape[:3]) - 1) / 2)
    brain = ndimage.binary_erosion(brain_mask(series.mean(axis=3), affine), iterations=2)
    still = np.zeros((series.shape[3], 6))
    before = spread(series, affine, Motion(still, centre), brain)
    print(f"{path}: {series.shape}, {brain.sum()} voxels of the brain")
    for name in chosen:
        start = time.process_time()
        poses = methods[name](series, affine, centre)
        spent = time.process_time() - start
        after = spread(series, affine, Motion(poses, centre), brain)
        share = np.median(after / before)
        print(f"{name:<12}{spent:>8.1f} CPU s, variance left {share:.4f}", flush=True)


def spread(series: np.ndarray, affine: np.ndarray, motion: Motion, brain: np.ndarray) -> np.ndarray:
    """Variance of each voxel of the brain after realignment (cubic) and a quadratic trend."""
    grid = np.tensordot(affine[:3, :3], np.indices(brain.shape), 1) + affine[:3, 3].reshape(
        3, 1, 1, 1
    )
    values, _ = resampled_series(series, affine, motion, np.moveaxis(grid, 0, -1), brain)
    trend = np.vander(np.linspace(-1, 1, values.shape[1]), 3)
    basis, _ = np.linalg.qr(trend)
    return (values - (values @ basis) @ basis.T).var(axis=1)


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
    parser.add_argument("--faults", nargs="*", default=[], choices=list(FAULTS))
    parser.add_argument("--lost", action="store_true", help="let slices lose their signal")
    parser.add_argument("--real", help="a real series instead of the head")
    chosen = parser.parse_args()
    methods: dict[str, Callable] = {
        "commissure": by_commissure, "antspyx": by_antspyx, "dipy": by_dipy,
    }  # fmt: skip
    import ants  # noqa: F401  (imports are not what is compared)
    import dipy.align  # noqa: F401

    if chosen.lost:
        if chosen.real:
            image = nib.load(chosen.real)
            series, affine = np.asarray(image.dataobj, np.float32), image.affine
        else:
            series, affine, _ = moving_head(chosen.volumes, noise=chosen.noise, seed=chosen.seed)
        for name in chosen.only:
            print(name)
            print_lost(series, affine, methods[name], chosen.seed)
        return
    if chosen.real:
        variance_left(chosen.real, chosen.only, methods)
        return
    series, affine, true = moving_head(chosen.volumes, noise=chosen.noise, seed=chosen.seed)
    centre = nib.affines.apply_affine(affine, (np.array(SHAPE) - 1) / 2)
    rng = np.random.default_rng(chosen.seed + 1)
    for fault in chosen.faults:
        FAULTS[fault](series, affine, true, rng)
    print(
        f"{chosen.volumes} volumes of {SHAPE}, {SIZE_MM} mm, noise {chosen.noise:.0%}; "
        f"faults: {', '.join(chosen.faults) or 'none'}"
    )
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
