r"""Repeated T1w images of real heads: noise and planted change, visit by visit and in one template.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 \
        python benchmarks/anat_repeat.py DATA [--heads pu01 oas2] [--pairs 3] [--changes] [--kept FOLDER]

``DATA`` is the folder of real images. From each head visits are made: turned by up to 10 degrees about
each axis, shifted, resampled once, under another receive field of 20 % and with noise of 3 %. No two
have the same pose, field or noise, and none is the image itself. ``--pairs`` counts pairs of visits
without a change; ``--changes`` adds visits in which a structure was shrunk or grown by a smooth warp,
each paired with a visit without. Every visit is measured alone, and every pair with
``anat.longitudinal``. What is computed stays in the folder ``--kept``. ``--simulated`` takes a
simulated head of large voxels in place of the real ones and needs no data.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from brain_masks import HEADS
from rich.console import Console
from rich.table import Table
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

from commissure.anat.builtin.preprocess import preprocess
from commissure.anat.settings import AnatPreprocessSettings
from commissure.files import write_json
from commissure.images.anat_files import AnatFiles
from commissure.images.atlas import structures
from commissure.images.grid import bounding_box
from commissure.images.load import load_image, save_image, voxel_volume_mm3, zooms_mm
from commissure.names import Scan, sidecar_path
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.head.anatomy import draw_anatomy
from commissure.phantom.protocol import chosen_protocol
from commissure.phantom.scanner.t1w import simulate_t1w

SHOWN = ("Hippocampus", "Amygdala", "Thalamus", "Putamen", "LateralVentricle")

#: What is planted: factor on the volume by structure.
CHANGES = {
    "a": {"Hippocampus_L": 0.98, "Hippocampus_R": 0.95},
    "b": {"Hippocampus_L": 0.90, "LateralVentricle_R": 1.10},
    "c": {"LateralVentricle_L": 1.30},
}

#: SD of the Gaussians by which a planted change is smooth, and by which its surroundings make room.
SMOOTH_MM, ROOM_MM = 1.0, 8.0

DEGREES, SHIFT_MM, FIELD, NOISE = 10.0, 6.0, 0.2, 0.03


@dataclass(frozen=True)
class Source:
    """A head that visits are made of, with its own segmentation."""

    name: str
    image: nib.Nifti1Image
    mask: np.ndarray
    aseg: np.ndarray


def source_of(name: str, path: Path, folder: Path) -> Source:
    """A real head, segmented once."""
    scan = Scan(path, {"sub": name}, "T1w")
    files = AnatFiles.of(scan, folder / name)
    if not files.complete():
        preprocess(scan, folder / name, settings=AnatPreprocessSettings())
    image = load_image(path, who=name, ndim=3, nan_around=True)
    mask, aseg = (np.asanyarray(nib.load(p).dataobj) for p in (files.mask, files.aseg))
    return Source(name, image, mask > 0, aseg)


def places_of(source: Source, change: dict[str, float]) -> np.ndarray:
    """Where each voxel of the changed head comes from, (3, X, Y, Z)."""
    number = structures().labels.set_index("name")["index"]
    places = np.indices(source.mask.shape).astype(np.float32)
    for name, factor in change.items():
        target = (source.aseg == number[name]).astype(np.float32)
        places += scaled_moves(target, zooms_mm(source.image.affine), factor)
    return places


def scaled_moves(target: np.ndarray, voxel_mm: tuple[float, ...], factor: float) -> np.ndarray:
    """Displacements in voxels, (3, X, Y, Z), that scale the volume of a structure evenly.

    The field is the gradient of a potential: it thins or widens the structure by the same share
    everywhere, also where it is narrow, and takes the room smoothly from what lies around.
    """
    size = np.array(voxel_mm)
    box = bounding_box(target, pad=[int(4 * ROOM_MM / mm) for mm in size])
    inside = target[box]
    rate = gaussian_filter(inside, SMOOTH_MM / size) - gaussian_filter(inside, ROOM_MM / size)
    waves = np.meshgrid(*(np.fft.fftfreq(n, mm) for n, mm in zip(inside.shape, size, strict=True)),
                        indexing="ij", sparse=True)  # fmt: skip
    square = sum(wave**2 for wave in waves)
    square[0, 0, 0] = 1
    spectrum = np.fft.fftn(rate) / (-4 * np.pi**2 * square)
    moves = np.stack(
        [np.fft.ifftn(2j * np.pi * wave * spectrum).real / mm for wave, mm in zip(waves, size, strict=True)]
    )  # fmt: skip
    own = np.indices(inside.shape)
    low, high = -1.0, 1.0
    for _ in range(14):
        middle = (low + high) / 2
        grown = map_coordinates(inside, own + middle * moves, order=1).sum() > factor * inside.sum()
        low, high = (middle, high) if grown else (low, middle)
    whole = np.zeros((3, *target.shape), np.float32)
    whole[(slice(None), *box)] = middle * moves
    return whole


def planted(source: Source, places: np.ndarray) -> dict[str, float]:
    """Volume after over volume before, of each structure and side."""
    number = structures().labels.set_index("name")["index"]
    factors = {}
    for name in (f"{stem}_{side}" for stem in SHOWN for side in "LR"):
        label = (source.aseg == number[name]).astype(np.float32)
        factors[name] = float(map_coordinates(label, places, order=1).sum() / label.sum())
    return factors


def visit_of(source: Source, places: np.ndarray, seed: int) -> nib.Nifti1Image:
    """An image of the (changed) head in another pose, under another field, with noise."""
    rng = np.random.default_rng([seed, *source.name.encode()])
    affine, shape = source.image.affine, source.image.shape
    turn = np.eye(4)
    angles = rng.uniform(-DEGREES, DEGREES, 3)
    turn[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    centre = nib.affines.apply_affine(affine, np.argwhere(source.mask).mean(axis=0))
    turn[:3, 3] = centre - turn[:3, :3] @ centre + rng.uniform(-SHIFT_MM, SHIFT_MM, 3)
    step = np.linalg.inv(affine) @ turn @ affine
    here = np.tensordot(step[:3, :3], np.indices(shape), axes=1) + step[:3, 3][:, None, None, None]
    moves = places - np.indices(shape)
    here = here + np.stack([map_coordinates(part, here, order=1) for part in moves])
    data = map_coordinates(np.asanyarray(source.image.dataobj, np.float32), here, order=3)
    spread = NOISE * np.percentile(np.asanyarray(source.image.dataobj)[source.mask], 95)
    data = np.clip(data, 0, None) * field_of(shape, rng)
    data = np.hypot(data + rng.normal(0, spread, shape), rng.normal(0, spread, shape))
    return nib.Nifti1Image(data.astype(np.float32), affine)


def field_of(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A receive field: a quadratic polynomial within 1 and 1.2 of its least value."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij", sparse=True)
    terms = (x, y, z, x * y, x * z, y * z, x * x, y * y, z * z)
    field = sum(weight * term for weight, term in zip(rng.normal(size=9), terms, strict=True))
    return 1 + FIELD * (field - field.min()) / np.ptp(field)


def volumes_of(scan: Scan, folder: Path) -> dict[str, float]:
    """mm³ of the structures and TIV, as the sidecars and the mask's tissues have them."""
    files = AnatFiles.of(scan, folder)
    volumes = json.loads(sidecar_path(files.aseg).read_text())["VolumesMm3"]
    tissues = [nib.load(path) for path in files.tissues]
    voxel = voxel_volume_mm3(tissues[0].affine)
    sums = [float(np.asanyarray(t.dataobj).sum(dtype=float)) * voxel for t in tissues]
    return volumes | dict(zip(("GM", "WM", "CSF"), sums, strict=True)) | {"TIV": sum(sums)}


def alone(scan: Scan, folder: Path) -> dict[str, float]:
    """Volumes of a visit measured by itself."""
    kept = folder / "alone.json"
    if not kept.exists():
        begin = time.process_time()
        preprocess(scan, folder / "alone", settings=AnatPreprocessSettings())
        volumes = volumes_of(scan, folder / "alone")
        write_json(volumes | {"cpu_s": time.process_time() - begin}, kept)
    return json.loads(kept.read_text())


def together(scans: list[Scan], folder: Path, kept: Path) -> list[dict[str, float]]:
    """Volumes of visits measured in their template."""
    if not kept.exists():
        settings = AnatPreprocessSettings(longitudinal=True)
        rows = []
        for scan in scans:
            begin = time.process_time()
            preprocess(scan, folder, settings=settings, visits=scans)
            rows.append(volumes_of(scan, folder) | {"cpu_s": time.process_time() - begin})
        write_json(rows, kept)
    return json.loads(kept.read_text())


def simulated(folder: Path) -> Path:
    """A head of the simulator, in large voxels."""
    path = folder / "simulated_T1w.nii.gz"
    if not path.exists():
        protocol = chosen_protocol("demo", {"anat.voxel_mm": 3.5})
        person = draw_cohort(CohortRequest(controls=1, responsive=0, resistant=0, sites=1))[0]
        head = draw_anatomy(person, protocol, np.random.default_rng(1))
        image = simulate_t1w(head, person, protocol, np.random.default_rng(2))
        save_image(image.data.astype(np.float32), image.affine, path)
    return path


def rows_of(source: Source, folder: Path, pairs: int, changes: str) -> list[list[str]]:
    """One row for each pair of visits and structure: planted, found alone, found together."""
    asked = [("", 2 * k, 2 * k + 1) for k in range(pairs)]
    asked += [(name, 0, 100 + ord(name)) for name in changes]
    rows = []
    for change, first, second in asked:
        planted_change = CHANGES.get(change, {})
        places = {first: places_of(source, {}), second: places_of(source, planted_change)}
        scans = []
        for seed, moved in places.items():
            path = folder / f"{source.name}_{seed}_T1w.nii.gz"
            if not path.exists():
                image = visit_of(source, moved, seed)
                save_image(np.asanyarray(image.dataobj), image.affine, path)
            scans.append(Scan(path, {"sub": source.name, "ses": str(seed)}, "T1w"))
        own = [alone(scan, folder / f"visit{scan.entities['ses']}") for scan in scans]
        pair = folder / f"pair{first}-{second}"
        both = together(scans, pair, pair / "together.json")
        true = planted(source, places[second]) | {"TIV": 1.0}
        spent = [sum(row["cpu_s"] for row in table) for table in (own, both)]
        for name, factor in true.items():
            percents = [100 * (table[1][name] / table[0][name] - 1) for table in (own, both)]
            level = 100 * (sum(r[name] for r in both) / sum(r[name] for r in own) - 1)
            cells = [100 * (factor - 1), *percents, level]
            rows.append(
                [source.name, change or "none", name, *(f"{cell:+.2f}" for cell in cells),
                 *(f"{s:.0f}" for s in spent)]
            )  # fmt: skip
    return rows


def spread(rows: list[list[str]]) -> dict[str, tuple[float, float]]:
    """By structure, root mean square of what differs from what was planted: alone, together."""
    found: dict[str, list[tuple[float, float]]] = {}
    for _, _, name, *cells in rows:
        true, own, both = map(float, cells[:3])
        stem = name.removesuffix("_L").removesuffix("_R")
        if abs(true) < 0.5:
            found.setdefault(stem, []).append((own - true, both - true))
    return {
        stem: tuple(float(v) for v in np.sqrt(np.mean(np.square(values), axis=0)))
        for stem, values in found.items()
    }


def main() -> None:
    """Make the visits, measure them, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=["pu01", "oas2", "chris"])
    parser.add_argument("--simulated", action="store_true")
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--changes", default="", help="letters of what is planted: abc")
    parser.add_argument("--kept", type=Path, help="folder that keeps what is computed")
    given = parser.parse_args()
    if not given.simulated and given.data is None:
        parser.error("DATA or --simulated is expected")
    console = Console(width=140)
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.kept or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        heads = {name: given.data / HEADS[name] for name in given.heads} if given.data else {}
        if given.simulated:
            heads = {"simulated": simulated(folder)}
        for name, path in heads.items():
            source = source_of(name, path, folder / "sources")
            rows += rows_of(source, folder / name, given.pairs, given.changes)
    columns = ("head", "change", "structure", "planted %", "alone %", "together %",
               "level together over alone %", "CPU s alone", "CPU s together")  # fmt: skip
    table = Table(*columns, title="From the first visit to the second")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    table = Table("structure", "alone %", "together %", title="RMS error where nothing was planted")
    for stem, values in spread(rows).items():
        table.add_row(stem, *(f"{value:.2f}" for value in values))
    console.print(table)


if __name__ == "__main__":
    main()
