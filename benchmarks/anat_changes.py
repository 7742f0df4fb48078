r"""What planted atrophy and lesions do to the volumes of real heads.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/anat_changes.py DATA [--heads pu01 ...]

``DATA`` is the folder of real images; without it a simulated head stands in. Each head goes through preprocessing and
measuring as it is and with each change. ``atrophy-K`` draws the brain K mm inwards, less and less with depth, and
fills the gap with fluid as bright and noisy as that of the ventricles under the same coil; a rim under the border (dura) and all outside of
it stay. A line gives the intracranial volume, which has to stay within 3 %, and grey and white matter beside those
that the head's own maps have after the same map. ``lesion-KIND`` is a ball of 3 cm in the white matter, as dark as
fluid, as grey as cortex or as bright as blood, which nobody drew or (``drawn``) somebody did: how much of it becomes
grey matter or a structure, and by how much volumes differ from those that the head had outside of the ball. The program
ends with 1 where the intracranial volume moves by more than 3 %, a lesion is silent, or more than a tenth of
one becomes grey matter or structures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
from anat_faults import HEADS, Told, head_of, heads, lesion_share, lesioned, run
from scipy.ndimage import binary_erosion, gaussian_filter, map_coordinates

from commissure.anat.builtin.border import signed_distance
from commissure.anat.volumes import label_volumes, reported_structures
from commissure.images.anat_files import AnatFiles
from commissure.images.load import voxel_volume_mm3, zooms_mm
from commissure.names import Scan

#: How far the brain is drawn inwards (mm).
SHRUNK_MM = (2.0, 4.0)

#: So deep the brain moves; so wide a rim under the border stays (mm).
MOVED_TO_MM, RIM_MM = 35.0, 1.0

#: How bright lesions are beside white matter.
LESIONS = {"dark": 0.25, "grey": 0.72, "bright": 1.5}

#: What is compared beside a lesion.
COMPARED = (
    "TIV", "GM", "WM", "LateralVentricle_L", "LateralVentricle_R", "Thalamus_L", "Caudate_L",
    "Putamen_L", "Hippocampus_L", "Hippocampus_R",
)  # fmt: skip

#: So much of a lesion may become grey matter, or structures.
LEFT_SHARE = 0.1

#: What the intracranial volume may move by.
TIV_PERCENT = 3.0


@dataclass(frozen=True)
class Maps:
    """What a run left of a head.

    Attributes
    ----------
    mask
        (X, Y, Z) bool, the brain.
    tissues
        (3, X, Y, Z) shares of GM, WM and fluid.
    aseg
        (X, Y, Z) structures under FreeSurfer's numbers.
    t1w
        (X, Y, Z) without shading.
    """

    mask: np.ndarray
    tissues: np.ndarray
    aseg: np.ndarray
    t1w: np.ndarray

    @classmethod
    def of(cls, folder: Path) -> Maps:
        """Those of the head that was run in a folder."""
        scan = Scan(folder / "sub-01_T1w.nii.gz", {"sub": "01"}, "T1w")
        files = AnatFiles.of(scan, folder / "anat")
        paths = (files.mask, files.aseg, files.preproc, *files.tissues)
        mask, aseg, t1w, *tissues = (np.asarray(nib.load(path).dataobj) for path in paths)
        return cls(mask > 0, np.stack(tissues).astype(np.float32), aseg.astype(np.int16), t1w)

    def volumes(self, affine: np.ndarray, where: np.ndarray) -> dict[str, float]:
        """Tissues and structures (mL) in a part (X, Y, Z) of the head."""
        voxel_ml = voxel_volume_mm3(affine) / 1000
        shares = self.tissues[:, where].sum(axis=1) * voxel_ml
        labelled = label_volumes(np.where(where, self.aseg, 0), affine)
        deep = {name: value / 1000 for name, value in reported_structures(labelled).items()}
        return {"GM": float(shares[0]), "WM": float(shares[1]), "TIV": 0.0, **deep}


@dataclass(frozen=True)
class Planted:
    """A head with a change.

    Attributes
    ----------
    image
        With the change.
    expected
        Volumes (mL) that it has.
    lesion
        (X, Y, Z) bool, where it was changed; none for atrophy.
    drawn
        Whether somebody drew the lesion.
    """

    image: nib.Nifti1Image
    expected: dict[str, float]
    lesion: np.ndarray | None = None
    drawn: bool = False


def atrophied(image: nib.Nifti1Image, maps: Maps, plain: Told, shrunk_mm: float) -> Planted:
    """A head whose brain is smaller in the same skull."""
    zooms = zooms_mm(image.affine)
    depth = -signed_distance(maps.mask, zooms)
    smooth = gaussian_filter(depth, 3.0 / np.array(zooms))
    inwards = np.stack(np.gradient(smooth, *zooms))
    inwards /= np.linalg.norm(inwards, axis=0) + 1e-6
    edge = RIM_MM + shrunk_mm
    stretch = (MOVED_TO_MM - RIM_MM) / (MOVED_TO_MM - edge)
    moved = (depth > RIM_MM) & (depth < MOVED_TO_MM)
    source = np.where(moved, RIM_MM + (depth - edge) * stretch, depth)
    places = np.indices(depth.shape) + (source - depth) * inwards / np.array(zooms).reshape(
        3, 1, 1, 1
    )
    data = np.squeeze(np.asarray(image.dataobj, dtype=np.float32))
    gap = gaussian_filter(((depth > RIM_MM) & (depth < edge)).astype(np.float32), 0.6)
    fluid = maps.t1w[_deep_fluid(maps, depth)]
    noise = np.random.default_rng(3).normal(0, fluid.std(), data.shape)
    light = gaussian_filter(data, 2.0) / np.maximum(gaussian_filter(maps.t1w, 2.0), 1e-3)
    warped = map_coordinates(data, places, order=1, mode="nearest")
    result = warped * (1 - gap) + (np.median(fluid) + noise) * light * gap
    result = np.where(depth > 0, result, data).clip(0).astype(np.float32)
    inside = (1 - gap) * maps.mask * voxel_volume_mm3(image.affine) / 1000
    grey, white = (
        float((map_coordinates(part, places, order=1) * inside).sum()) for part in maps.tissues[:2]
    )
    expected = {"TIV": plain.volumes["TIV"], "GM": grey, "WM": white}
    return Planted(nib.Nifti1Image(result, image.affine), expected)


def _deep_fluid(maps: Maps, depth: np.ndarray) -> np.ndarray:
    fluid = (maps.tissues[2] > 0.95) & (depth > 20)
    inner = binary_erosion(fluid)
    return inner if inner.sum() > 50 else fluid


def with_lesion(
    image: nib.Nifti1Image, folder: Path, plain: Told, kind: str, *, drawn: bool
) -> Planted:
    """The head that was run in ``folder``, with a lesion."""
    head, maps = head_of(image, folder), Maps.of(folder)
    ball = lesion_share(head) > 0.5
    lost = maps.volumes(image.affine, ball)
    expected = {name: plain.volumes[name] - lost.get(name, 0.0) for name in COMPARED}
    return Planted(lesioned(head, LESIONS[kind]), expected, ball, drawn)


def line(told: Told, plain: Told, planted: Planted, folder: Path) -> str:
    """What became of a changed head, in words."""
    parts = [
        f"{name} {100 * (told.volumes[name] / value - 1):+.1f} %"
        for name, value in planted.expected.items()
    ]
    if planted.lesion is None:
        shrunk = 100 * (planted.expected["GM"] / plain.volumes["GM"] - 1)
        parts.append(f"GM planted {shrunk:+.0f} %")
    else:
        size, *became = became_of(planted, folder)
        words = zip(("grey", "white", "structures"), became, strict=True)
        parts.insert(0, f"of {size:.1f} mL " + ", ".join(f"{k} {v:.1f}" for k, v in words))
    return f"{', '.join(parts)}; {', '.join(sorted(told.flags - plain.flags)) or 'no flag'}"


def became_of(planted: Planted, folder: Path) -> tuple[float, float, float, float]:
    """Volume of a lesion, and what of it became grey matter, white matter and structures (mL)."""
    assert planted.lesion is not None
    size = planted.lesion.sum() * voxel_volume_mm3(planted.image.affine) / 1000
    within = Maps.of(folder).volumes(planted.image.affine, planted.lesion)
    grey, white = within.pop("GM"), within.pop("WM")
    return float(size), grey, white, sum(within.values())


def main() -> int:
    """Run heads and changes; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path, help="folder of real images")
    parser.add_argument("--heads", nargs="*", default=[], choices=HEADS)
    parser.add_argument("--shrunk-mm", nargs="*", type=float, default=SHRUNK_MM)
    parser.add_argument("--lesions", nargs="*", default=[*LESIONS], choices=LESIONS)
    asked = parser.parse_args()
    missed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name, image in heads(asked.data, asked.heads, Path(scratch)):
            folder = Path(scratch) / name
            folder.mkdir()
            plain = run(image, folder)
            changes: dict[str, Callable[[], Planted]] = {}
            for mm in asked.shrunk_mm:
                changes[f"atrophy-{mm:g}"] = partial(atrophied, image, Maps.of(folder), plain, mm)
            for kind, drawn in product(asked.lesions, (False, True)):
                changes[f"lesion-{kind}{'-drawn' * drawn}"] = partial(
                    with_lesion, image, folder, plain, kind, drawn=drawn
                )
            for change, plant in changes.items():
                missed += not kept(f"{name} {change}", plant(), plain, folder / change)
    print(f"{missed} missed")
    return int(missed > 0)


def kept(name: str, planted: Planted, plain: Told, folder: Path) -> bool:
    """Run a changed head and print what became of it; whether that is right."""
    folder.mkdir()
    told = run(planted.image, folder, drawn=planted.lesion if planted.drawn else None)
    if told.refusal:
        print(f"{name}: {told.refusal}", flush=True)
        return planted.lesion is not None
    print(f"{name}: {line(told, plain, planted, folder)}", flush=True)
    if planted.lesion is not None:
        size, grey, _, structures = became_of(planted, folder)
        told_of = planted.drawn or bool(told.flags - plain.flags)
        return told_of and max(grey, structures) <= LEFT_SHARE * size
    return abs(told.volumes["TIV"] / planted.expected["TIV"] - 1) * 100 <= TIV_PERCENT


if __name__ == "__main__":
    sys.exit(main())
