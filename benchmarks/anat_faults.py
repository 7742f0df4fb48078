r"""Which check sees which fault of a T1w image: faults planted in real heads, and the heads as they are.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/anat_faults.py DATA [--heads pu01 ...] [--faults lesion ...]

``DATA`` is the folder of real images; without it a simulated head stands in. Every head goes through preprocessing
and measuring as it is (``none``) and with each fault; a line names what told of it: a flag that the head as it is has
not, or the sentence of a refusal. Poses are no faults: the head lies turned by 20 or 45 degrees, has a neck of 80 mm
more, or NaN where it is black, and volumes have to stay within 2 %. The program ends with 1 where a fault is silent, a
head as it is has a flag, or a volume moves.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter

from commissure.anat.builtin.preprocess import preprocess
from commissure.anat.derivatives import AnatMeasured
from commissure.anat.measure import measure
from commissure.anat.settings import AnatMeasureSettings, AnatPreprocessSettings
from commissure.errors import CommissureError
from commissure.images.anat_files import AnatFiles
from commissure.names import Scan
from commissure.phantom.request import chosen_request
from commissure.phantom.simulate import simulate

#: Real heads without a known fault, by their place below the folder of real images.
HEADS = {
    "chris": "heads/chris_t1.nii.gz",
    "sf02": "bids/sub-sf02/anat/sub-sf02_T1w.nii.gz",
    "pu01": "bids/sub-pu01/anat/sub-pu01_T1w.nii.gz",
    "op01": "bids/sub-op01/anat/sub-op01_acq-skullstripped_T1w.nii.gz",
    "xa01": "bids-more/sub-xa01/anat/sub-xa01_T1w.nii.gz",
    "ui01": "bids-more/sub-ui01/anat/sub-ui01_T1w.nii.gz",
    **{
        f"oas{n}": f"t1w-segmentations/oasis-fastsurfer-2mm/sub-oas000{n}_T1w.nii.gz"
        for n in (1, 2, 3)
    },
}


@dataclass(frozen=True)
class Head:
    """A head that is measured, and what planting needs to know of it.

    Attributes
    ----------
    image
        As acquired.
    mask
        (X, Y, Z) bool, its brain as the run without a fault found it.
    white
        Intensity of its white matter.
    """

    image: nib.Nifti1Image
    mask: np.ndarray
    white: float

    @property
    def data(self) -> np.ndarray:
        """Intensities, float32."""
        data = np.asarray(self.image.dataobj, dtype=np.float32)
        return data[..., 0] if data.ndim == 4 else data

    def with_data(self, data: np.ndarray, affine: np.ndarray | None = None) -> nib.Nifti1Image:
        """The image with other data, and a header that says so."""
        return nib.Nifti1Image(
            data.astype(np.float32), self.image.affine if affine is None else affine
        )

    def axis_of(self, direction: int) -> tuple[int, bool]:
        """The array axis that runs along x, y or z, and whether it grows that way."""
        axes = self.image.affine[:3, :3]
        axis = int(np.argmax(np.abs(axes[direction])))
        return axis, bool(axes[direction, axis] > 0)

    def voxels(self, mm: float, axis: int) -> int:
        """A length in voxels along an array axis."""
        return round(mm / float(np.linalg.norm(self.image.affine[:3, axis])))


def exchanged_axes(head: Head) -> nib.Nifti1Image:
    """The header says that up is forward."""
    affine = head.image.affine.copy()
    affine[[1, 2]] = affine[[2, 1]]
    return head.with_data(head.data, affine)


def cropped(head: Head) -> nib.Nifti1Image:
    """The field of view ends 35 mm below the vertex of the brain."""
    axis, upwards = head.axis_of(2)
    there = np.flatnonzero(head.mask.any(axis=tuple({0, 1, 2} - {axis})))
    cut = head.voxels(35, axis)
    kept = slice(0, int(there[-1]) + 1 - cut) if upwards else slice(int(there[0]) + cut, None)
    return head.image.slicer[tuple(kept if n == axis else slice(None) for n in range(3))]


def inverted(head: Head) -> nib.Nifti1Image:
    """White is dark and fluid is bright, as in a T2w image."""
    data = head.data
    return head.with_data(np.where(data > 0.15 * head.white, 1.4 * head.white - data, data).clip(0))


def noisy(head: Head) -> nib.Nifti1Image:
    """Noise of a third of white matter, of a magnitude image."""
    rng = np.random.default_rng(11)
    real, imaginary = rng.normal(0, head.white / 3, (2, *head.data.shape))
    return head.with_data(np.hypot(head.data + real, imaginary))


def stripped(head: Head) -> nib.Nifti1Image:
    """Only the brain is left."""
    return head.with_data(np.where(head.mask, head.data, 0))


def unchanged(head: Head) -> nib.Nifti1Image:
    """The image as it is."""
    return head.image


def without_codes(path: Path) -> None:
    """The header of a file does not say where left is: qform_code and sform_code are 0."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[252:256] = bytes(4)
    path.write_bytes(gzip.compress(bytes(content)))


def lesion_share(head: Head) -> np.ndarray:
    """(X, Y, Z) from 0 to 1: a ball of 3 cm in the white matter of the left hemisphere."""
    centre = nib.affines.apply_affine(head.image.affine, np.argwhere(head.mask).mean(axis=0))
    place = np.moveaxis(np.indices(head.data.shape), 0, -1)
    distance = np.linalg.norm(
        nib.affines.apply_affine(head.image.affine, place) - (centre + np.array([-26, -12, 22])),
        axis=-1,
    )
    return np.clip(15.5 - distance, 0, 1) * gaussian_filter(head.mask.astype(np.float32), 1)


def lesioned(head: Head, brightness: float = 0.25) -> nib.Nifti1Image:
    """A ball of 3 cm in the left hemisphere is as dark as fluid, or so bright beside white matter."""
    share = lesion_share(head)
    texture = 1 + 0.1 * np.random.default_rng(5).normal(size=head.data.shape)
    return head.with_data(head.data * (1 - share) + brightness * head.white * texture * share)


def shaded(head: Head) -> nib.Nifti1Image:
    """The coil sees the front half as bright as the back."""
    axis, _ = head.axis_of(1)
    there = np.flatnonzero(head.mask.any(axis=tuple({0, 1, 2} - {axis})))
    along = np.interp(np.arange(head.data.shape[axis]), [there[0], there[-1]], [0.5, 1.0])
    shape = [-1 if n == axis else 1 for n in range(3)]
    return head.with_data(head.data * along.reshape(shape))


def ghosted(head: Head) -> nib.Nifti1Image:
    """A copy of 30 % is displaced by two voxels."""
    axis, _ = head.axis_of(1)
    return head.with_data(0.7 * head.data + 0.3 * np.roll(head.data, 2, axis=axis))


def constant_slices(head: Head) -> nib.Nifti1Image:
    """Three slices through the brain hold one value."""
    axis, _ = head.axis_of(2)
    middle = int(np.argwhere(head.mask).mean(axis=0)[axis])
    data = head.data.copy()
    data[tuple(slice(middle, middle + 3) if n == axis else slice(None) for n in range(3))] = 300
    return head.with_data(data)


def with_agent(head: Head) -> nib.Nifti1Image:
    """Blood is as bright as with a contrast agent: the sinus along the vertex, veins, choroid plexus."""
    size = nib.affines.voxel_sizes(head.image.affine)
    depth = distance_transform_edt(head.mask, sampling=size)
    place = nib.affines.apply_affine(
        head.image.affine, np.moveaxis(np.indices(head.data.shape), 0, -1)
    )
    place -= place[head.mask].mean(axis=0)
    sinus = head.mask & (depth < 6) & (np.abs(place[..., 0]) < 3.5) & (place[..., 2] > 20)
    fluid = head.mask & (head.data < 0.45 * head.white)
    rng = np.random.default_rng(12)
    veins = fluid & (depth > 2) & (gaussian_filter(rng.normal(size=fluid.shape), 1) > 0.4)
    return head.with_data(np.where(sinus | veins, 1.6 * head.white, head.data))


def turned(head: Head, **degrees: float) -> nib.Nifti1Image:
    """The head lies turned about the axes named (``x``: its chin up), by its header alone."""
    turn = nib.eulerangles.euler2mat(**{axis: np.radians(by) for axis, by in degrees.items()})
    return head.with_data(head.data, nib.affines.from_matvec(turn) @ head.image.affine)


def with_long_neck(head: Head) -> nib.Nifti1Image:
    """The lowest slice goes on for 80 mm."""
    axis, upwards = head.axis_of(2)
    count = head.voxels(80, axis)
    pad = [(0, 0)] * 3
    pad[axis] = (count, 0) if upwards else (0, count)
    affine = head.image.affine.copy()
    if upwards:
        affine[:3, 3] -= count * affine[:3, axis]
    return head.with_data(np.pad(head.data, pad, mode="edge"), affine)


def with_nan_background(head: Head) -> nib.Nifti1Image:
    """What lies outside the brain and is nearly black is NaN."""
    dark = (head.data < 0.02 * head.white) & ~head.mask
    return head.with_data(np.where(dark, np.nan, head.data))


#: What moves no volume of these by more than :data:`MOVED_PERCENT_MAX` when the head is turned.
MEASURED = ("TIV", "GM", "WM", "Hippocampus_L", "Hippocampus_R", "Thalamus_L", "LateralVentricle_L")

MOVED_PERCENT_MAX = 2.0


@dataclass(frozen=True)
class Fault:
    """A fault, how it is planted in the image and its file, and what is said of the skull.

    A ``harmless`` fault needs no flag where it moves no volume; of a ``pose`` none may come.
    """

    plant: Callable[[Head], nib.Nifti1Image]
    skull_stripped: str = "auto"
    whole_heads: bool = False
    in_file: Callable[[Path], None] | None = None
    harmless: bool = False
    pose: bool = False


FAULTS = {
    "axes": Fault(exchanged_axes),
    "cropped": Fault(cropped),
    "inverted": Fault(inverted),
    "noise": Fault(noisy),
    "brain-as-head": Fault(stripped, "no"),
    "head-as-brain": Fault(unchanged, "yes", whole_heads=True),
    "no-codes": Fault(unchanged, in_file=without_codes),
    "lesion": Fault(lesioned),
    "bias": Fault(shaded, harmless=True),
    "ghost": Fault(ghosted),
    "slices": Fault(constant_slices),
    "agent": Fault(with_agent, harmless=True),
    "nan": Fault(with_nan_background, harmless=True, pose=True),
    "pitch": Fault(partial(turned, x=20), harmless=True, pose=True),
    "pitch-45": Fault(partial(turned, x=45), harmless=True, pose=True),
    "roll-45": Fault(partial(turned, y=45), harmless=True, pose=True),
    "yaw-45": Fault(partial(turned, z=45), harmless=True, pose=True),
    "long-neck": Fault(with_long_neck, whole_heads=True, harmless=True, pose=True),
}


@dataclass(frozen=True)
class Told:
    """What became of an image: its checks by name and volumes (mL), or why it was refused."""

    flags: frozenset[str]
    refusal: str
    values: dict[str, float | None]
    volumes: dict[str, float]
    cpu_s: float


def run(
    image: nib.Nifti1Image,
    folder: Path,
    fault: Fault | None = None,
    *,
    drawn: np.ndarray | None = None,
) -> Told:
    """Preprocess and measure an image in a folder, with a lesion (X, Y, Z) that somebody drew."""
    path = folder / "sub-01_T1w.nii.gz"
    nib.save(image, path)
    if fault is not None and fault.in_file is not None:
        fault.in_file(path)
    settings = AnatPreprocessSettings(skull_stripped=fault.skull_stripped if fault else "auto")
    associated = {}
    if drawn is not None:
        associated["roi"] = folder / "sub-01_label-lesion_roi.nii.gz"
        nib.save(nib.Nifti1Image(drawn.astype(np.uint8), image.affine), associated["roi"])
    scan = Scan(path, {"sub": "01"}, "T1w", [], associated)
    start = time.process_time()
    try:
        preprocess(scan, folder / "anat", settings=settings)
        measure(scan, folder / "anat", settings=AnatMeasureSettings())
    except CommissureError as error:
        return Told(frozenset(), str(error), {}, {}, time.process_time() - start)
    record = json.loads(AnatMeasured.of(scan, folder / "anat").quality.read_text())
    values = {check["name"]: check["value"] for check in record["checks"]}
    flags, volumes = frozenset(record["flags"]), record["volumes_ml"]
    return Told(flags, "", values, volumes, time.process_time() - start)


def moved(before: dict[str, float], after: dict[str, float]) -> tuple[str, float]:
    """By how much volumes differ, in words and at most (%)."""
    change = {
        name: 100 * (after.get(name, 0.0) / before[name] - 1) for name in MEASURED if name in before
    }
    return ", ".join(f"{k} {v:+.1f} %" for k, v in change.items()), max(map(abs, change.values()))


def head_of(image: nib.Nifti1Image, folder: Path) -> Head:
    """A head with its brain, as the run in ``folder`` left it."""
    scan = Scan(folder / "sub-01_T1w.nii.gz", {"sub": "01"}, "T1w")
    files = AnatFiles.of(scan, folder / "anat")
    mask, white = (
        np.asarray(nib.load(path).dataobj) > level
        for path, level in ((files.mask, 0.5), (files.wm, 0.9))
    )
    data = np.squeeze(np.asarray(image.dataobj, dtype=np.float32))
    return Head(image, binary_dilation(mask), float(np.median(data[white])))


def heads(data: Path | None, names: list[str], work: Path) -> Iterator[tuple[str, nib.Nifti1Image]]:
    """Heads by name: real ones, or a simulated one."""
    if data is not None:
        for name in names or HEADS:
            yield name, nib.load(data / HEADS[name])
        return
    alone = {"cohort.subjects": 1, "cohort.sites": 1, "cohort.missing": 0.0}
    simulate(work / "bids", chosen_request("tiny", {**alone, "anat.voxel_mm": 2.5}))
    yield "simulated", nib.load(next((work / "bids").glob("sub-*/**/*_T1w.nii.gz")))


def main() -> int:
    """Run heads and faults; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path, help="folder of real images")
    parser.add_argument("--heads", nargs="*", default=[], choices=HEADS)
    parser.add_argument("--faults", nargs="*", default=list(FAULTS), choices=[*FAULTS, "none"])
    asked = parser.parse_args()
    silent = 0
    with tempfile.TemporaryDirectory() as scratch:
        for name, image in heads(asked.data, asked.heads, Path(scratch)):
            folder = Path(scratch) / name
            folder.mkdir()
            plain = run(image, folder)
            silent += bool(plain.flags or plain.refusal)
            values = "  ".join(f"{k} {v:.3g}" for k, v in plain.values.items() if v is not None)
            print(f"{name}  none: {', '.join(sorted(plain.flags)) or 'no flag'}  "
                  f"({plain.cpu_s:.0f} CPU s)  {values}", flush=True)  # fmt: skip
            head = head_of(image, folder)
            brain_only = (head.data > 0).mean() < 2 * head.mask.mean()
            for fault in asked.faults:
                if fault == "none" or (brain_only and FAULTS[fault].whole_heads):
                    continue
                planted = FAULTS[fault]
                below = folder / fault
                below.mkdir()
                told = run(planted.plant(head), below, planted)
                new = sorted(told.flags - plain.flags)
                if planted.harmless and not told.refusal:
                    words, apart = moved(plain.volumes, told.volumes)
                    silent += apart > MOVED_PERCENT_MAX and not (new and not planted.pose)
                    silent += planted.pose and bool(new)
                    print(f"{name}  {fault}: {words} {', '.join(new)}", flush=True)
                    continue
                silent += not (new or told.refusal)
                seen = told.refusal or ", ".join(
                    f"{flag} {told.values[flag]:.3g}" if told.values[flag] is not None else flag
                    for flag in new
                )
                print(f"{name}  {fault}: {seen or 'SILENT'}", flush=True)
    print(f"{silent} silent or flagged without a fault")
    return int(silent > 0)


if __name__ == "__main__":
    sys.exit(main())
