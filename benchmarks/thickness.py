r"""Thickness of the cortex on real heads: plausible, repeatable, and a planted thinning.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 \
        python benchmarks/thickness.py DATA [--heads chris sf02 ui01] [--parts heads turned planted direct] \
        [--kept FOLDER]

``DATA`` is the folder of real images. ``heads`` prints thickness and CPU seconds of each head. The other
parts take the first head alone: ``turned`` turns it by 10 degrees, without and with noise of 3 %;
``planted`` thins the cortex of the left superior and caudal middle frontal gyrus by a smooth warp that
carries white matter outwards, once applied to image and maps, once to the raw image, which is segmented
again, and shrinks the whole image by a tenth. What the warp does is known from where it carries both ends
of every line through the cortex. ``direct`` measures the same maps by DiReCT (ANTs) around that gyrus.
What is computed stays in the folder ``--kept``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import ants
import numpy as np
from brain_masks import HEADS, turned
from rich.console import Console
from rich.table import Table
from scipy.ndimage import (
    affine_transform,
    distance_transform_edt,
    gaussian_filter,
    map_coordinates,
    zoom,
)

from commissure.anat.builtin.preprocess import preprocess
from commissure.anat.cortical_lines import CorticalLines, cortical_lines, relative_brightness
from commissure.anat.derivatives import read_preprocessed
from commissure.anat.settings import AnatPreprocessSettings
from commissure.anat.thickness import coverage, regional_thickness, template_places
from commissure.anat.volumes import cortex_around, template_coordinates, values_at
from commissure.images.anat_files import AnatFiles
from commissure.images.grid import bounding_box
from commissure.images.load import load_image, save_image, zooms_mm
from commissure.names import Scan

SHOWN = ("superiorfrontal", "insula", "superiortemporal", "precentral", "pericalcarine")
SIDES = ("cortex_L", "cortex_R")

#: Thinned, measured beside it, and on the other side.
THINNED = ("superiorfrontal_L", "caudalmiddlefrontal_L")
BESIDE = (
    "rostralmiddlefrontal_L", "precentral_L", "paracentral_L", "caudalanteriorcingulate_L",
    "superiortemporal_L", "superiorfrontal_R",
)  # fmt: skip

#: How far white matter is carried outwards where the field is strongest.
PUSHED_MM = (0.25, 0.5)

NOISE, SHRUNK = 0.03, 0.9

#: Voxels for DiReCT, and its iterations.
DIRECT_MM, ITERATIONS = 1.2, 15


@dataclass(frozen=True)
class Cortex:
    """A head's images and the lines through its cortex; ``box`` is where the images lie in the raw one."""

    t1w: np.ndarray
    posterior: np.ndarray
    aseg: np.ndarray
    coordinates: np.ndarray
    affine: np.ndarray
    box: tuple[slice, ...]

    @property
    def voxel_mm(self) -> np.ndarray:
        """Size of the voxels."""
        return np.array(zooms_mm(self.affine))

    def level(self) -> np.ndarray:
        """Brightness between the tissues."""
        return relative_brightness(self.t1w, self.posterior, self.aseg, self.affine)

    def lines(self) -> CorticalLines:
        """Lines through the cortex."""
        return cortical_lines(self.level(), self.affine)

    def regions(self) -> np.ndarray:
        """Number of the region of each voxel."""
        return values_at(cortex_around().image, self.coordinates)


def segmented(name: str, path: Path, folder: Path) -> Cortex:
    """A head, segmented unless it is there."""
    scan = Scan(path, {"sub": name}, "T1w")
    if not AnatFiles.of(scan, folder / name).complete():
        preprocess(scan, folder / name, settings=AnatPreprocessSettings())
    head = read_preprocessed(scan, folder / name)
    t1w = np.asanyarray(head.t1w.dataobj, dtype=np.float32)
    place = template_coordinates(head.t1w, head.files.from_template)
    return Cortex(t1w, head.posterior, head.aseg, place, head.t1w.affine, head.box)


def thickness_of(cortex: Cortex) -> dict[str, float]:
    lines = cortex.lines()
    return regional_thickness(lines, template_places(lines, cortex.coordinates))


def head_row(name: str, cortex: Cortex) -> list[str]:
    """Voxel size, CPU seconds, median, both sides, regions (mean of both sides), coverage."""
    begin = time.process_time()
    lines = cortex.lines()
    places = template_places(lines, cortex.coordinates)
    values = regional_thickness(lines, places)
    spent = time.process_time() - begin
    known = np.isfinite(lines.thickness_mm) & (values_at(cortex_around().image, places) > 0)
    cells = [values[side] for side in SIDES]
    cells += [(values[f"{region}_L"] + values[f"{region}_R"]) / 2 for region in SHOWN]
    return [
        name, f"{min(cortex.voxel_mm):.2g}", f"{spent:.1f}",
        f"{np.median(lines.thickness_mm[known]):.2f}", *(f"{cell:.2f}" for cell in cells),
        f"{lines.area_mm2[known].sum() / 100:.0f}",
        f"{np.mean([*coverage(lines, places).values()]):.3f}",
    ]  # fmt: skip


def turned_cortex(name: str, path: Path, folder: Path, noise: float) -> Cortex:
    """The head turned by 10 degrees and resampled, with noise as a share of its brightest tissue."""
    image = turned(load_image(path, who=name, ndim=3), (0.0, 0.0, 10.0))
    data = np.clip(np.asanyarray(image.dataobj, np.float32), 0, None)
    if noise:
        rng = np.random.default_rng(0)
        spread = noise * np.percentile(data, 98)
        data = np.hypot(data + rng.normal(0, spread, data.shape), rng.normal(0, spread, data.shape))
    name = f"{name}turned{'noise' if noise else ''}"
    raw = folder / f"{name}_T1w.nii.gz"
    save_image(data.astype(np.float32), image.affine, raw)
    return segmented(name, raw, folder)


def change_row(name: str, before: dict[str, float], after: dict[str, float]) -> list[str]:
    """Percent of change: sides, regions (mean of both sides), median and 95th percentile over 68."""
    percent = {key: 100 * (after[key] / before[key] - 1) for key in before}
    cells = [percent[side] for side in SIDES]
    cells += [(percent[f"{region}_L"] + percent[f"{region}_R"]) / 2 for region in SHOWN]
    size = np.abs([value for key, value in percent.items() if key not in SIDES])
    return [
        name,
        *(f"{cell:+.1f}" for cell in cells),
        *(f"{q:.1f}" for q in np.nanpercentile(size, (50, 95))),
    ]


def outward_distance(inside: np.ndarray, voxel_mm: np.ndarray) -> np.ndarray:
    """Signed distance to where a share passes one half, in mm, negative inside; from half voxels."""
    fine = zoom(inside, 2, order=1, grid_mode=True, mode="nearest") > 0.5
    away = distance_transform_edt(~fine, sampling=voxel_mm / 2)
    away -= distance_transform_edt(fine, sampling=voxel_mm / 2)
    return zoom(
        gaussian_filter(away.astype(np.float32), 1), 0.5, order=1, grid_mode=True, mode="nearest"
    )


def thinning(cortex: Cortex, pushed_mm: float) -> np.ndarray:
    """Where each voxel of the thinned head comes from, less where it is; (3, X, Y, Z) in voxels.

    White matter moves outwards by ``pushed_mm`` inside the regions, the cortex less and less
    towards its surface, which stays.
    """
    atlas = cortex_around().groups("name")
    inside = np.isin(cortex.regions(), [n for name in THINNED for n in atlas[name]])
    box = bounding_box(inside & (cortex.posterior.sum(axis=0) > 0), pad=12)
    level, mm = cortex.level()[box], cortex.voxel_mm
    from_white = outward_distance(np.clip(level, 0, 1), mm)
    from_fluid = -outward_distance(np.clip(1 + level, 0, 1), mm)
    slope = np.stack(np.gradient(gaussian_filter(from_white, 0.7), *mm))
    slope /= np.maximum(np.sqrt((slope**2).sum(axis=0)), 0.3)
    outside = np.maximum(from_white, 0)
    depth = outside / np.maximum(outside + np.maximum(from_fluid, 0), 0.3)
    depth = np.clip((depth - 0.15) / 0.8, 0, 1)
    move = np.where(from_fluid > -0.2, 1 - depth**2 * (3 - 2 * depth), 0)
    move *= np.exp(np.minimum(from_white + 0.4, 0) / 3)
    move *= np.clip(gaussian_filter(inside[box].astype(np.float32), 2.5), 0, 1)
    moves = np.zeros((3, *inside.shape), np.float32)
    moves[(slice(None), *box)] = (
        -pushed_mm * gaussian_filter(move, 0.6) * slope / mm[:, None, None, None]
    )
    return moves


def carried(points: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Where the warp carries points, (3, N) in voxels: the fixed point of p = points - moves(p)."""
    place = points
    for _ in range(12):
        place = points - np.stack(
            [map_coordinates(m, place, order=1, mode="nearest") for m in moves]
        )
    return place


def true_change(cortex: Cortex, lines: CorticalLines, moves: np.ndarray) -> dict[str, float]:
    """Mean change in mm of the length of the lines of each region."""
    length = np.nan_to_num(lines.thickness_mm)
    ends = [carried((lines.start + far[:, None] * lines.outwards).T / lines.voxel_mm[:, None], moves)
            for far in (np.zeros_like(length), length)]  # fmt: skip
    change = np.linalg.norm((ends[1] - ends[0]) * lines.voxel_mm[:, None], axis=0) - length
    region = values_at(cortex_around().image, template_places(lines, cortex.coordinates))
    known = np.isfinite(lines.thickness_mm)
    means = {}
    for name in (*THINNED, *BESIDE):
        chosen = np.isin(region, cortex_around().groups("name")[name]) & known
        means[name] = float(np.average(change[chosen], weights=lines.area_mm2[chosen]))
    return means


def moved(cortex: Cortex, resample: Callable[[np.ndarray, int], np.ndarray]) -> Cortex:
    """All images of a head resampled; ``resample`` takes an image and the order of its spline."""
    return replace(
        cortex,
        t1w=resample(cortex.t1w, 3),
        posterior=np.stack([resample(part, 1) for part in cortex.posterior]),
        aseg=resample(cortex.aseg, 0),
        coordinates=np.stack(
            [resample(part, 0) for part in np.moveaxis(cortex.coordinates, -1, 0)], axis=-1
        ),
    )


def warped(cortex: Cortex, moves: np.ndarray) -> Cortex:
    """Image and maps of the thinned head; the regions stay where they are."""
    place = np.indices(cortex.t1w.shape, dtype=np.float32) + moves

    def resample(image: np.ndarray, order: int) -> np.ndarray:
        return map_coordinates(image, place, order=order, mode="nearest")

    return replace(moved(cortex, resample), coordinates=cortex.coordinates)


def again(
    name: str, path: Path, folder: Path, cortex: Cortex, moves: np.ndarray, push: float
) -> Cortex:
    """The raw image, thinned and segmented again."""
    image = load_image(path, who=name, ndim=3)
    place = np.indices(image.shape, dtype=np.float32)
    place[(slice(None), *cortex.box)] += moves
    data = map_coordinates(np.asanyarray(image.dataobj, np.float32), place, order=3, mode="nearest")
    name = f"{name}pushed{round(100 * push)}"
    raw = folder / f"{name}_T1w.nii.gz"
    save_image(np.clip(data, 0, None), image.affine, raw)
    return segmented(name, raw, folder)


def planted_rows(name: str, path: Path, folder: Path, cortex: Cortex) -> list[list[str]]:
    """Planted and recovered change in mm of each region, and the slope where it was thinned."""
    lines = cortex.lines()
    before = regional_thickness(lines, template_places(lines, cortex.coordinates))
    rows = []
    for push in PUSHED_MM:
        moves = thinning(cortex, push)
        true = true_change(cortex, lines, moves)
        heads = {"maps warped": warped(cortex, moves)}
        if push == PUSHED_MM[-1]:
            heads["segmented again"] = again(name, path, folder, cortex, moves, push)
        for how, head in heads.items():
            after = thickness_of(head)
            for region in true:
                change = after[region] - before[region]
                slope = f"{change / true[region]:.2f}" if region in THINNED else ""
                rows.append(
                    [how, f"{push:g}", region, f"{true[region]:+.3f}", f"{change:+.3f}", slope]
                )
    return [*rows, *shrunk_rows(cortex, before)]


def shrunk_rows(cortex: Cortex, before: dict[str, float]) -> list[list[str]]:
    """All of the head smaller by a tenth, on the same grid."""
    centre = (np.array(cortex.t1w.shape) - 1) / 2

    def resample(image: np.ndarray, order: int) -> np.ndarray:
        step = np.full(3, 1 / SHRUNK)
        return affine_transform(
            image, np.diag(step), centre - step * centre, order=order, mode="nearest"
        )

    after = thickness_of(moved(cortex, resample))
    rows = []
    for name in (*SIDES, *THINNED):
        true, change = (SHRUNK - 1) * before[name], after[name] - before[name]
        rows.append(
            [
                "shrunk by a tenth",
                "",
                name,
                f"{true:+.3f}",
                f"{change:+.3f}",
                f"{change / true:.2f}",
            ]
        )
    return rows


def direct(cortex: Cortex) -> tuple[dict[str, float], float]:
    """DiReCT around the thinned regions: mean thickness of each, and CPU seconds."""
    atlas = cortex_around().groups("name")
    regions = cortex.regions()
    box = bounding_box(
        np.isin(regions, [n for name in THINNED for n in atlas[name]]) & (cortex.aseg > 0), pad=12
    )
    level = np.clip(cortex.level()[box], -1, 1)

    def coarse(image: np.ndarray, way: int = 0) -> ants.ANTsImage:
        image = np.ascontiguousarray(image, dtype=np.float32)
        fine = ants.from_numpy(image, spacing=[float(mm) for mm in cortex.voxel_mm])
        return ants.resample_image(fine, (DIRECT_MM,) * 3, use_voxels=False, interp_type=way)

    grey, white = coarse(1 - np.abs(level)), coarse(np.maximum(level, 0))
    g, w = grey.numpy(), white.numpy()
    labels = np.where(g + w < 0.5, 0, np.where(w > g, 3, 2)).astype(np.float32)
    begin = time.process_time()
    thick = ants.kelly_kapowski(
        ants.from_numpy(labels, spacing=grey.spacing), grey, white, its=ITERATIONS, r=0.025, m=1.5
    ).numpy()
    spent = time.process_time() - begin
    means = {}
    for name in THINNED:
        here = (
            (coarse(np.isin(regions[box], atlas[name]), 1).numpy() > 0.5)
            & (labels == 2)
            & (thick > 0.1)
        )
        means[name] = float(np.average(thick[here], weights=g[here]))
    return means, spent


def direct_rows(heads: dict[str, Cortex]) -> list[list[str]]:
    """DiReCT's thickness of each head and its difference from the first."""
    rows, first = [], None
    for name, cortex in heads.items():
        means, spent = direct(cortex)
        first = first or means
        cells = [f"{means[k]:.2f} ({means[k] - first[k]:+.3f})" for k in THINNED]
        rows.append([name, *cells, f"{spent:.0f}"])
    return rows


def main() -> None:
    """Run the parts; print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=["chris", "sf02", "ui01"])
    parts = ("heads", "turned", "planted", "direct")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts[:3])
    parser.add_argument("--kept", type=Path, help="folder that keeps what is computed")
    given = parser.parse_args()
    console = Console(width=160)
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.kept or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)

        def head(name: str) -> Cortex:
            return segmented(name, given.data / HEADS[name], folder)

        def show(title: str, columns: list[str], rows: list[list[str]]) -> None:
            table = Table(*columns, title=title)
            for row in rows:
                table.add_row(*row)
            console.print(table)

        if "heads" in given.parts:
            columns = ["head", "voxel", "CPU s", "median", *SIDES, *SHOWN, "cm²", "coverage"]
            show(
                "Thickness in mm, one thread", columns, [head_row(n, head(n)) for n in given.heads]
            )
        name = given.heads[0]
        path = given.data / HEADS[name]
        if "turned" in given.parts:
            before = thickness_of(head(name))
            rows = [
                change_row(f"turned, noise {noise:g}", before, thickness_of(turned_cortex(name, path, folder, noise)))
                for noise in (0.0, NOISE)
            ]  # fmt: skip
            columns = ["", *SIDES, *SHOWN, "68 regions: median", "95 %"]
            show(f"{name}: change in percent", columns, rows)
        if "planted" in given.parts:
            columns = ["", "pushed mm", "region", "planted mm", "recovered mm", "slope"]
            show(f"{name}: planted thinning", columns, planted_rows(name, path, folder, head(name)))
        if "direct" in given.parts:
            first = head(name)
            heads = {
                name: first,
                "turned, noise": turned_cortex(name, path, folder, NOISE),
                f"pushed {PUSHED_MM[-1]:g}": warped(first, thinning(first, PUSHED_MM[-1])),
            }
            show("DiReCT, mm", ["", *THINNED, "CPU s"], direct_rows(heads))


if __name__ == "__main__":
    main()
