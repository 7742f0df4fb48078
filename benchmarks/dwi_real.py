"""Preprocessing on measured diffusion series: opposed pairs, faults planted in them, and MRtrix3.

    python benchmarks/dwi_real.py DATA [--parts pair fieldmap planted peer chain noise] [--people xa01 bn01]

DATA holds ``bids`` and ``bids-more``. ``peer`` needs MRtrix3's commands on the path.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from scipy.ndimage import binary_erosion, gaussian_filter

from commissure.dataset.index import survey
from commissure.dataset.tree import tree_of
from commissure.dwi.builtin.denoise import mppca, patch_widths
from commissure.dwi.builtin.gibbs import without_ringing
from commissure.dwi.builtin.preprocess import preprocess
from commissure.dwi.builtin.realign import realign
from commissure.dwi.builtin.slice_outliers import excitations
from commissure.dwi.builtin.to_t1w import b0_brain_mask
from commissure.dwi.gradients import read_gradients, write_gradients
from commissure.dwi.settings import DwiPreprocessSettings
from commissure.dwi.tensor import fit_tensor
from commissure.images.distortion import shift_of_series
from commissure.images.grid import sampled_at, world_places
from commissure.images.rigid import resample_pose, rigid_matrix
from commissure.images.susceptibility import opposed_shift, phase_axis
from commissure.names import Scan

PARTS = ("pair", "fieldmap", "planted", "peer", "chain", "noise")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--people", nargs="+", default=["xa01", "ui01", "bn01"])
    parser.add_argument("--volumes", nargs="+", type=int, default=[33, 65, 105, 150, 200, 288, 300])
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    scans = dict(real_scans(arguments.data, set(arguments.people)))
    for part in arguments.parts:
        if part == "noise":
            noise(arguments.volumes)
        elif part == "chain":
            chain()
        else:
            print(f"\n## {part}")
            for person, scan in scans.items():
                {"pair": pair, "fieldmap": field_map, "planted": planted, "peer": peer}[part](
                    person, scan
                )


def real_scans(data: Path, people: set[str]) -> Iterator[tuple[str, Scan]]:
    """Diffusion series of some people, as the index finds them."""
    for root in (data / "bids", data / "bids-more"):
        for entry in survey(root, tree_of(root))[0]:
            person = entry.participant_id.removeprefix("sub-")
            if entry.modality == "dwi" and entry.used and person in people:
                yield person, entry.scan_in(root)


def preprocessed(
    scan: Scan, **settings: Any
) -> tuple[np.ndarray, Any, np.ndarray, np.ndarray, dict]:
    """Series, gradients, mask, affine and sidecar of a series after preprocessing without a T1w."""
    with tempfile.TemporaryDirectory() as folder:
        files = preprocess(
            scan, Path(folder), anat=None, settings=DwiPreprocessSettings(**settings)
        )
        image = nib.load(files.series)
        gradients = read_gradients(
            {"bval": files.bval, "bvec": files.bvec},
            image.affine,
            volumes=image.shape[3],
            who=scan.who,
        )
        mask = np.asanyarray(nib.load(files.mask).dataobj) > 0
        sidecar = json.loads(files.sidecar.read_text())
        return (
            np.asanyarray(image.dataobj).astype(np.float32),
            gradients,
            mask,
            image.affine,
            sidecar,
        )


def pair(person: str, scan: Scan) -> None:
    """How alike opposed images are before and after; FA of either, which the fit does not see."""
    if "run2" not in scan.associated and "epi" not in scan.associated:
        return
    forward = np.asanyarray(nib.load(scan.path).dataobj)[..., 0].astype(np.float32)
    other = scan.associated.get("epi", scan.associated.get("run2"))
    image = nib.load(scan.path)
    backward = np.asanyarray(nib.load(other).dataobj).astype(np.float32)
    backward = backward[..., 0] if backward.ndim == 4 else backward
    encoded = phase_axis(scan.metadata()["PhaseEncodingDirection"])
    assert encoded is not None
    affine, axis = image.affine, encoded[0]
    mask = b0_brain_mask(forward, affine, who=person)
    begin = time.process_time()
    shift, matrix = opposed_shift(forward, backward, affine, mask, axis=axis)
    seconds = time.process_time() - begin
    places = world_places(forward.shape, affine)
    ahead = sampled_at(forward, affine, np.eye(4), *shift.seen_from(places))
    behind = sampled_at(backward, affine, matrix, *shift.times(-1).seen_from(places))
    left, _ = opposed_shift(ahead, behind, affine, mask, axis=axis)
    inside = binary_erosion(mask)
    rows = {"before": (forward, backward, shift), "after": (ahead, behind, left)}
    print(f"\n{person}: opposed b0, {seconds:.1f} CPU s")
    print("| | r of b0 | difference, % | displacement of one against the other, mm: median, 95 % |")
    print("|---|---|---|---|")
    for name, (one, two, moved) in rows.items():
        gain = np.median(one[inside]) / np.median(two[inside])
        off = np.abs(one - gain * two)[inside]
        apart = 2 * np.abs(moved.mm[inside])
        print(
            f"| {name} | {np.corrcoef(one[inside], two[inside])[0, 1]:.3f} | "
            f"{100 * np.median(off) / np.median(one[inside]):.1f} | {np.median(apart):.2f}, "
            f"{np.percentile(apart, 95):.2f} |"
        )
    if "run2" in scan.associated:
        _agreement_of_fa(scan, inside, 2 * np.abs(shift.mm))


def _agreement_of_fa(scan: Scan, inside: np.ndarray, apart_mm: np.ndarray) -> None:
    print("\n| FA of either half | r | r where they lie 3 mm apart or more | mean difference |")
    print("|---|---|---|---|")
    for corrected in (False, True):
        series, gradients, mask, _, sidecar = preprocessed(scan, susceptibility=corrected)
        first = sidecar["RunVolumes"][0]
        halves = [
            fit_tensor(series[..., part], gradients.subset(np.arange(len(gradients.b))[part]), mask)
            for part in (slice(0, first), slice(first, None))
        ]
        where = inside & mask
        far = where & (apart_mm > 3)
        one, two = (half.fa for half in halves)
        print(
            f"| {'corrected' if corrected else 'as acquired'} | "
            f"{np.corrcoef(one[where], two[where])[0, 1]:.3f} | "
            f"{np.corrcoef(one[far], two[far])[0, 1]:.3f} | {np.abs(one - two)[where].mean():.3f} |"
        )


def field_map(person: str, scan: Scan) -> None:
    """The shift from a field map of gradient echoes against that from opposed images."""
    folder = scan.path.parent.parent / "fmap"
    phase = folder / f"sub-{person}_phasediff.nii.gz"
    if not phase.exists() or "run2" not in scan.associated:
        return
    images = [nib.load(path) for path in (scan.path, scan.associated["run2"])]
    forward, backward = (
        np.asanyarray(image.dataobj)[..., 0].astype(np.float32) for image in images
    )
    affine = images[0].affine
    mask = b0_brain_mask(forward, affine, who=person)
    opposed, _ = opposed_shift(forward, backward, affine, mask, axis=1)
    files = {
        "phasediff": phase,
        "phasediff_json": phase.with_name(f"sub-{person}_phasediff.json"),
        "magnitude": phase.with_name(f"sub-{person}_magnitude1.nii.gz"),
    }
    begin = time.process_time()
    alone = Scan(scan.path, scan.entities, "dwi", scan.sidecars, files)
    measured, source = shift_of_series(alone, scan.metadata(), forward, mask, affine, [])
    assert measured is not None
    inside = binary_erosion(mask, iterations=2)
    one, two = opposed.mm[inside], measured.mm[inside]
    slope = np.polyfit(two, one, 1)[0]
    print(
        f"\n{person}: {source}, {time.process_time() - begin:.1f} CPU s: r {np.corrcoef(one, two)[0, 1]:.3f} "
        f"with the opposed images, slope {slope:.2f}, difference (SD) {np.std(one - two):.2f} mm, "
        f"offset {np.median(one - two):.2f} mm"
    )


def planted(person: str, scan: Scan, *, share: float = 0.04, seed: int = 0) -> None:
    """Slices darkened and volumes turned in a measured series: how many are found, how well."""
    image = nib.load(scan.path)
    series = np.asanyarray(image.dataobj).astype(np.float32)
    gradients = read_gradients(scan.associated, image.affine, volumes=series.shape[3], who=person)
    series = np.delete(series, gradients.without_direction, axis=3)
    unweighted = gradients.b0(50)
    mask = b0_brain_mask(series[..., unweighted].mean(axis=3), image.affine, who=person)
    rng = np.random.default_rng(seed)
    groups = excitations(scan.metadata(), series.shape[2])
    spoilt, dark = series.copy(), np.zeros((series.shape[3], series.shape[2]), bool)
    for volume in np.flatnonzero(~unweighted):
        for group in np.unique(groups):
            if rng.uniform() < share:
                lost = np.flatnonzero(groups == group)
                spoilt[:, :, lost, volume] *= rng.uniform(0.3, 0.85)
                dark[volume, lost] = True
    area = mask.sum(axis=(0, 1))
    seen = dark & (area >= max(40, 0.25 * area.max()))
    already = realign(
        series, image.affine, gradients, mask, move=False, excitations=groups
    ).dropouts
    begin = time.process_time()
    found = realign(spoilt, image.affine, gradients, mask, move=False, excitations=groups).dropouts
    seconds = time.process_time() - begin
    hits, false = int((found & seen).sum()), int((found & ~dark & ~already).sum())
    score = 2 * hits / max(2 * hits + false + int((seen & ~found).sum()), 1)
    print(
        f"\n{person}: {int(seen.sum())} slices lost (to 0.3 - 0.85 of their signal, "
        f"{len(groups) // max(len(np.unique(groups)), 1)} at once): found {hits}, falsely {false}, "
        f"F1 {score:.2f}, {seconds:.1f} CPU s"
    )
    # A head that drifts, and jumps three times by some millimetres.
    steps = rng.normal(0, 1, (len(gradients.b), 6)) * [0.15, 0.15, 0.15, 0.003, 0.003, 0.003]
    for jump in rng.choice(np.arange(2, len(steps)), 3, replace=False):
        steps[jump] += rng.normal(0, 1, 6) * [1, 1, 1, 0.02, 0.02, 0.02]
    steps[0] = 0
    turned = np.cumsum(steps, axis=0)
    centre = image.affine[:3, :3] @ (np.array(mask.shape) / 2) + image.affine[:3, 3]
    matrices = np.stack([rigid_matrix(pose, centre) for pose in turned])
    encoded = phase_axis(scan.metadata().get("PhaseEncodingDirection"))
    phase = None if encoded is None else image.affine[:3, encoded[0]]
    phase = None if phase is None else phase / np.linalg.norm(phase)
    still = realign(series, image.affine, gradients, mask, phase=phase)
    moved = np.stack(
        [
            resample_pose(
                series[..., i], image.affine, np.linalg.inv(matrix), mask.shape, image.affine
            )
            for i, matrix in enumerate(matrices)
        ],
        axis=3,
    )
    begin = time.process_time()
    motion = realign(moved, image.affine, gradients, mask, phase=phase)
    seconds = time.process_time() - begin
    off = [
        np.linalg.inv(matrices[i] @ still.head[i]) @ motion.head[i] for i in range(len(gradients.b))
    ]
    angles = np.degrees(
        [np.arccos(np.clip((np.trace(each[:3, :3]) - 1) / 2, -1, 1)) for each in off]
    )
    weighted = ~unweighted
    true = np.degrees(np.linalg.norm(turned[weighted, 3:], axis=1))
    print(
        f"{person}: heads turned by {np.median(true):.2f} degrees (median), rotation wrong by "
        f"{np.median(angles[weighted]):.2f} (95 %: {np.percentile(angles[weighted], 95):.2f}), "
        f"{seconds:.1f} CPU s"
    )


def peer(person: str, scan: Scan) -> None:
    """Denoising, Gibbs removal and tensor beside MRtrix3's commands, one thread each."""
    if shutil.which("dwidenoise") is None:
        print("MRtrix3 is not installed")
        return
    image = nib.load(scan.path)
    series = np.asanyarray(image.dataobj).astype(np.float32)
    gradients = read_gradients(scan.associated, image.affine, volumes=series.shape[3], who=person)
    series = np.delete(series, gradients.without_direction, axis=3)
    b0 = gradients.b0(50)
    brain = b0_brain_mask(series[..., b0].mean(axis=3), image.affine, who=person)
    ours, noise_ours, seconds = _timed(lambda: mppca(series, brain))
    _, _, seconds_gibbs = _timed(lambda: (without_ringing(series, brain), None))
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        nib.save(nib.Nifti1Image(series, image.affine), where / "raw.nii")
        write_gradients(gradients, image.affine, where / "b.bval", where / "b.bvec")
        table = f"-fslgrad {where}/b.bvec {where}/b.bval"
        denoise_s = _command(f"dwidenoise {where}/raw.nii {where}/d.nii -noise {where}/n.nii")
        gibbs_s = _command(f"mrdegibbs {where}/raw.nii {where}/g.nii")
        theirs, noise_theirs, rung = (
            np.asanyarray(nib.load(where / name).dataobj) for name in ("d.nii", "n.nii", "g.nii")
        )
        low = gradients.b <= max(1550, float(gradients.b[~b0].min()) + 50)
        nib.save(nib.Nifti1Image(ours, image.affine), where / "t.nii")
        nib.save(nib.Nifti1Image(brain.astype(np.uint8), image.affine), where / "m.nii")
        top = float(gradients.b[low].max()) + 1
        shells = ",".join(f"{b:g}" for b in np.unique(np.round(gradients.b[low], -1)))
        tensor_s = _command(
            f"dwiextract {table} -shells {shells} {where}/t.nii {where}/l.mif"
            if not low.all()
            else f"mrconvert {table} {where}/t.nii {where}/l.mif"
        )
        tensor_s += _command(f"dwi2tensor -mask {where}/m.nii {where}/l.mif {where}/dt.mif")
        tensor_s += _command(f"tensor2metric -mask {where}/m.nii {where}/dt.mif -fa {where}/fa.nii")
        fa_theirs = np.nan_to_num(np.asanyarray(nib.load(where / "fa.nii").dataobj))
        maps, _, seconds_tensor = _timed(
            lambda: (fit_tensor(ours[..., low], gradients.subset(low), brain), None)
        )
        robust = fit_tensor(ours[..., low], gradients.subset(low), brain, robust=True)
    unrung = without_ringing(series, brain)
    inside = binary_erosion(brain)
    change, change_theirs = (x[inside].astype(float) - series[inside] for x in (unrung, rung))
    print(
        f"\n{person}: {series.shape}, brain {brain.mean():.2f} of the voxels, b up to {top - 1:g}"
    )
    print("| | this | MRtrix3 |\n|---|---|---|")
    print(f"| denoising, CPU s | {seconds:.1f} | {denoise_s:.1f} |")
    print(f"| Gibbs removal, CPU s | {seconds_gibbs:.1f} | {gibbs_s:.1f} |")
    print(f"| tensor, CPU s | {seconds_tensor:.1f} | {tensor_s:.1f} |")
    ok = inside & (noise_ours > 0) & (noise_theirs > 0)
    print(
        f"| noise, median | {np.median(noise_ours[ok]):.2f} | {np.median(noise_theirs[ok]):.2f} |"
    )
    print(
        f"| residual: |r| with edges | {_structure(series - ours, series, inside):.3f} | {_structure(series - theirs, series, inside):.3f} |"
    )
    print(
        f"| residual: neighbours' r | {_neighbours(series - ours, inside):.3f} | {_neighbours(series - theirs, inside):.3f} |"
    )
    print(f"noise maps r {np.corrcoef(noise_ours[ok], noise_theirs[ok])[0, 1]:.3f}; "
          f"change by Gibbs removal r {np.corrcoef(change.ravel(), change_theirs.ravel())[0, 1]:.3f}; "
          f"FA r {np.corrcoef(maps.fa[inside], fa_theirs[inside])[0, 1]:.5f}, mean difference "
          f"{(maps.fa - fa_theirs)[inside].mean():+.4f}; FA of the robust fit r "
          f"{np.corrcoef(robust.fa[inside], fa_theirs[inside])[0, 1]:.5f}, "
          f"{100 * robust.left_out:.2f} % left out")  # fmt: skip


def _structure(residual: np.ndarray, series: np.ndarray, inside: np.ndarray) -> float:
    """Mean over volumes of the correlation of what was taken away with the edges of the image."""
    values = []
    for i in range(residual.shape[3]):
        edge = np.linalg.norm(np.gradient(gaussian_filter(series[..., i], 0.5)), axis=0)
        values.append(abs(np.corrcoef(np.abs(residual[..., i][inside]), edge[inside])[0, 1]))
    return float(np.mean(values))


def _neighbours(residual: np.ndarray, inside: np.ndarray) -> float:
    """Correlation of what was taken away between neighbouring voxels: noise has none but k-space's."""
    both = inside[1:] & inside[:-1]
    return float(np.corrcoef(residual[1:][both].ravel(), residual[:-1][both].ravel())[0, 1])


def _timed(compute: Callable[[], tuple[Any, Any]]) -> tuple[Any, Any, float]:
    begin = time.process_time()
    first, second = compute()
    return first, second, time.process_time() - begin


def _command(line: str) -> float:
    """CPU seconds of one command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*line.split(), "-quiet", "-force", "-nthreads", "0"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def noise(volumes: list[int]) -> None:
    """Noise found against true, and what is left of it, by the number of volumes."""
    rng = np.random.default_rng(0)
    shape, sd = (16, 16, 14), 30.0
    x, y, z = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    maps = np.stack([1 + x, 1 + np.sin(3 * y), 2 - z * x, np.cos(5 * x * y)], axis=-1)
    print(
        "\n## noise\n| volumes | patch | noise found / true | error left / noise |\n|---|---|---|---|"
    )
    for count in volumes:
        true = 400 * maps @ rng.uniform(0.3, 1, (4, count))
        noisy = (true + rng.normal(0, sd, true.shape)).astype(np.float32)
        clean, found = mppca(noisy, np.ones(shape))
        width = "x".join(map(str, patch_widths(shape, count)))
        print(f"| {count} | {width} | {found.mean() / sd:.3f} | {np.std(clean - true) / sd:.3f} |")


def chain() -> None:
    """What the whole preprocessing of a large series costs (96x96x60, 65 volumes, noise only)."""
    rng = np.random.default_rng(1)
    shape, affine = (96, 96, 60), np.diag([-2.3, 2.3, 2.5, 1.0])
    affine[:3, 3] = [110, -125, -60]
    index = np.indices(shape)
    world = np.tensordot(affine[:3, :3], index, 1) + affine[:3, 3].reshape(3, 1, 1, 1)
    away = np.sqrt(((world / np.array([66, 82, 60]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0))
    texture = gaussian_filter(rng.normal(size=shape), 2)
    head = np.where(away < 1, 800 + 3000 * texture, 20).clip(1)
    directions = rng.normal(size=(60, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    axis = gaussian_filter(rng.normal(size=(*shape, 3)), (4, 4, 4, 0))
    axis /= np.linalg.norm(axis, axis=3, keepdims=True)
    series = np.empty((*shape, 65), np.float32)
    for i in range(65):
        along = 0 if i < 5 else (axis @ directions[i - 5]) ** 2
        clean = head * (1 if i < 5 else np.exp(-0.5 - 0.7 * along))
        noise_parts = rng.normal(0, 20, (2, *shape))
        series[..., i] = np.hypot(clean + noise_parts[0], noise_parts[1])
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        nib.save(nib.Nifti1Image(series, affine), where / "sub-01_dwi.nii.gz")
        b = np.r_[np.zeros(5), np.full(60, 1000.0)]
        np.savetxt(where / "sub-01_dwi.bval", b[None], fmt="%g")
        np.savetxt(
            where / "sub-01_dwi.bvec", np.vstack([np.zeros((5, 3)), directions]).T, fmt="%.6f"
        )
        (where / "sub-01_dwi.json").write_text(json.dumps({"PhaseEncodingDirection": "j"}))
        scan = Scan(
            where / "sub-01_dwi.nii.gz",
            {"sub": "01"},
            "dwi",
            [where / "sub-01_dwi.json"],
            {kind: where / f"sub-01_dwi.{kind}" for kind in ("bval", "bvec")},
        )
        del series
        begin = time.process_time()
        preprocess(scan, where / "out", anat=None, settings=DwiPreprocessSettings())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"\n## chain\n96x96x60x65: {time.process_time() - begin:.0f} CPU s, {peak:.1f} GB at most"
    )


if __name__ == "__main__":
    main()
