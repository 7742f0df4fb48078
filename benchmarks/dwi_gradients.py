r"""Wrong axes of b-vectors: how many are found, and how many right tables are accused.

    OMP_NUM_THREADS=1 python benchmarks/dwi_gradients.py [SERIES.nii.gz ...] [--clean 200] [--gradlint]

Every table of signs and orders (23 beside the right one) is planted into each measured series; clean
series are simulated from a measured one's tensors, or from a simulated head where there is none: 6 to 32
directions, b0 with a signal-to-noise ratio of 10 to 30. `--gradlint` also asks GradLint, where that
is installed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import nibabel as nib
import numpy as np

from commissure.dwi.builtin.to_t1w import b0_brain_mask
from commissure.dwi.bvec_axes import TABLES, axes_check, fibre_coherence
from commissure.dwi.gradients import Gradients, read_gradients, write_gradients
from commissure.dwi.tensor import TensorMaps, fit_tensor
from commissure.dwi.tensor_volumes import tensor_volumes
from commissure.errors import CommissureError
from commissure.images.load import zooms_mm

#: What a check says of a table: right, wrong, or undecided.
Verdict = bool | None


def even_directions(count: int, rng: np.random.Generator) -> np.ndarray:
    """Directions spread over a half sphere, turned at random."""
    k = np.arange(count) + 0.5
    polar, azimuth = np.arccos(1 - k / count), np.pi * (1 + 5**0.5) * k
    spread = np.column_stack(
        [np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)]
    )
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return spread @ turn.T


def measured(path: Path) -> tuple[np.ndarray, Gradients, np.ndarray, np.ndarray]:
    """A measured series, its table, affine and brain mask."""
    image = nib.load(path)
    stem = str(path).removesuffix(".nii.gz")
    files = {key: Path(f"{stem}.{key}") for key in ("bval", "bvec")}
    data = np.asanyarray(image.dataobj).astype(np.float32)
    gradients = read_gradients(files, image.affine, volumes=data.shape[3], who=path.name)
    data = np.delete(data, gradients.without_direction, axis=3)
    chosen = tensor_volumes(gradients, max_b_s_mm2=1500, b0_max_b_s_mm2=50)
    data, gradients = data[..., chosen], gradients.subset(chosen)
    b0 = data[..., gradients.b0(50)].mean(axis=3)
    try:
        mask = b0_brain_mask(b0, image.affine, who=path.name)
    except CommissureError:  # a crop
        mask = b0 > 0.3 * np.median(b0)
    return data, gradients, image.affine, mask


def with_table(gradients: Gradients, affine: np.ndarray, table: np.ndarray) -> Gradients:
    """The table as it would be read if its axes had been exchanged and negated."""
    axes = affine[:3, :3] / np.array(zooms_mm(affine))
    return Gradients(gradients.b, gradients.directions @ axes @ table.T @ np.linalg.inv(axes))


def verdict(
    data: np.ndarray, gradients: Gradients, affine: np.ndarray, mask: np.ndarray
) -> Verdict:
    """What the room's own check says."""
    maps = fit_tensor(data, gradients, mask)
    return axes_check(fibre_coherence(maps.direction, maps.fa, affine)).passed


def gradlint_verdict(
    data: np.ndarray, gradients: Gradients, affine: np.ndarray, _: np.ndarray
) -> Verdict:
    """What GradLint says, at its own settings."""
    import gradlint

    with tempfile.TemporaryDirectory() as folder:
        image, bval, bvec = (Path(folder, f"series.{end}") for end in ("nii", "bval", "bvec"))
        nib.Nifti1Image(data, affine).to_filename(image)
        write_gradients(gradients, affine, bval, bvec)
        report = gradlint.audit(bvec=str(bvec), bval=str(bval), dwi=str(image), threads=1)
    decision = report.flip.decision if report.flip else "WARN"
    return {"PASS": True, "FLAG": False}.get(decision)


def planted(paths: list[Path], judge: Callable[..., Verdict], *, every: int) -> None:
    """Right and wrong tables of measured series, one line each."""
    for path in paths:
        data, gradients, affine, mask = measured(path)
        start = time.process_time()
        right = judge(data, gradients, affine, mask)
        seconds = time.process_time() - start
        wrong = [table for table in TABLES if not np.array_equal(table, np.eye(3))][::every]
        said = [judge(data, with_table(gradients, affine, t), affine, mask) for t in wrong]
        counts = (
            f"found {said.count(False)}, undecided {said.count(None)}, missed {said.count(True)}"
        )
        called = {True: "right", False: "WRONG", None: "undecided"}[right]
        print(
            f"{path.name:42s} as it is: {called:9s} {counts} of {len(wrong)}, {seconds:.1f} s",
            flush=True,
        )


def tensors(path: Path | None) -> tuple[TensorMaps, np.ndarray, np.ndarray, np.ndarray]:
    """Tensor of a measured series, mask, affine, and eigenvalues along and across."""
    if path is None:
        rng = np.random.default_rng(0)
        shape, affine = (30, 30, 20), np.diag([-4.0, 4, 4, 1])
        index = np.indices(shape).astype(float)
        turn = index[2] / 20 + 0.2 * np.sin(index[0] / 9)
        direction = np.stack([np.cos(turn), np.sin(turn), 0.6 * np.cos(index[1] / 8)], axis=-1)
        direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
        fa = np.clip(0.5 + 0.1 * rng.normal(size=shape), 0.3, 0.8)
        ones = np.ones(shape, np.float32)
        maps = TensorMaps(fa, 0.75e-3 * ones, direction, ones, ones)
        return maps, np.ones(shape, bool), affine, ones
    data, gradients, affine, mask = measured(path)
    return fit_tensor(data, gradients, mask), mask, affine, mask


def clean(source: Path | None, judge: Callable[..., Verdict], count: int) -> None:
    """Right tables of simulated series with few and many directions."""
    maps, mask, affine, _ = tensors(source)
    said: dict[int, list[Verdict]] = {}
    wrong: dict[int, list[Verdict]] = {}
    excess = maps.fa / np.sqrt(3 - 2 * maps.fa**2)
    along, across = maps.md * (1 + 2 * excess), maps.md * (1 - excess)
    for number in range(count):
        rng = np.random.default_rng(number)
        directions = (6, 7, 8, 10, 12, 16, 20, 32)[number % 8]
        vectors = np.vstack([np.zeros(3), even_directions(directions, rng)])
        gradients = Gradients(np.r_[0.0, np.full(directions, 1000.0)], vectors)
        cosine = np.einsum("...i,vi->...v", maps.direction, vectors)
        decay = across[..., None] + (along - across)[..., None] * cosine**2
        signal = mask[..., None] * np.exp(-gradients.b * decay)
        noise = 1 / rng.uniform(10, 30)
        data = np.hypot(
            signal + rng.normal(0, noise, signal.shape), rng.normal(0, noise, signal.shape)
        ).astype(np.float32)
        said.setdefault(directions, []).append(judge(data, gradients, affine, mask))
        table = [t for t in TABLES if not np.array_equal(t, np.eye(3))][number % 23]
        wrong.setdefault(directions, []).append(
            judge(data, with_table(gradients, affine, table), affine, mask)
        )
    for directions in sorted(said):
        right, planted_ = said[directions], wrong[directions]
        print(
            f"{directions:3d} directions, {len(right)} clean: right {right.count(True)}, undecided "
            f"{right.count(None)}, accused {right.count(False)}; corrupted: found "
            f"{planted_.count(False)}, undecided {planted_.count(None)}, missed {planted_.count(True)}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "series", type=Path, nargs="*", help="measured, with .bval and .bvec beside"
    )
    parser.add_argument("--clean", type=int, default=200, help="simulated series")
    parser.add_argument("--gradlint", action="store_true", help="ask GradLint too")
    parser.add_argument("--every", type=int, default=1, help="plant every n-th wrong table")
    given = parser.parse_args()
    judges = {"commissure": verdict, **({"gradlint": gradlint_verdict} if given.gradlint else {})}
    for name, judge in judges.items():
        print(f"-- {name}")
        planted(given.series, judge, every=given.every)
        clean(given.series[0] if given.series else None, judge, given.clean)


if __name__ == "__main__":
    main()
