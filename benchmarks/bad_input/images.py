"""What the cases of T1w, BOLD and diffusion images share: measuring a person, spoiling their files.

Each of those areas plants its faults in a copy of one image of a tiny simulated person, runs
preprocessing and measuring, and compares the markers with the undisturbed ones.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.nifti1 import header_dtype

from commissure.images.anat_files import AnatFiles
from commissure.names import Scan
from commissure.rows import read_markers

from .harness import TOLD, Case, Outcome, Verdict, compared
from .mutations import mutation_cases
from .person import scan_of

RIGHT: tuple[Verdict, ...] = ("right",)
TOLD_OR_RIGHT: tuple[Verdict, ...] = ("refused", "flagged", "right")

#: Preprocesses and measures a scan into a folder.
Steps = Callable[[Scan, Path, AnatFiles | None], None]


@dataclass(frozen=True)
class Measured:
    """Values of the markers by marker and region, and everything that the record tells."""

    values: Mapping[str, float]
    told: frozenset[str]


def measured(
    bids: Path, out: Path, modality: str, steps: Steps, anat: AnatFiles | None = None
) -> Measured:
    """Run the steps of a modality on the image of a dataset of one person."""
    scan = scan_of(bids, modality)
    steps(scan, out, anat)
    table = read_markers(out / scan.derivative("markers", ".tsv"))
    record = json.loads((out / scan.derivative("qc", ".json")).read_text())
    told = {f"flag {flag}" for flag in record["flags"]}
    told |= {*record["notes"], *record["missing"].values()}
    names = table["marker"] + "/" + table["region"]
    return Measured(dict(zip(names, table["value"].astype(float), strict=True)), frozenset(told))


@dataclass(frozen=True)
class Image:
    """The files of an image in a copy of the person's dataset, to be spoilt.

    Attributes
    ----------
    path
        The image; its other files have its name with another extension.
    """

    path: Path

    def file(self, extension: str) -> Path:
        """The file beside the image with this extension."""
        return self.path.with_name(self.path.name.partition(".")[0] + extension)

    def rewrite(
        self,
        data: Callable[[np.ndarray], np.ndarray] = lambda data: data,
        *,
        sform: np.ndarray | Callable[[np.ndarray], np.ndarray] | None = None,
        qform: Callable[[np.ndarray], np.ndarray] | None = None,
        codes: tuple[int, int] | None = None,
    ) -> None:
        """Write the image again with other data, sform, qform and codes (of sform and qform)."""
        image = nib.load(self.path)
        changed = data(np.asarray(image.dataobj))
        header = image.header.copy()
        header.set_data_dtype(changed.dtype)
        new = nib.Nifti1Image(changed, image.affine, header)
        if sform is not None:
            new.set_sform(sform(image.affine) if callable(sform) else sform, 2)
            new.set_qform(new.get_sform(), 0)
        if qform is not None:
            new.set_qform(qform(image.affine), 1, strip_shears=True)
        if codes is not None:
            new.header["sform_code"], new.header["qform_code"] = codes
        self.path.unlink()
        nib.save(new, self.path)

    def header(self, **fields: Any) -> None:
        """Change fields of the stored header, as no library would; ``pixdim 4`` is a part."""
        raw = bytearray(gzip.decompress(self.path.read_bytes()))
        header = np.frombuffer(raw, header_dtype, count=1)[0]
        header = header.copy()
        for name, value in fields.items():
            field, _, index = name.partition(" ")
            if index:
                header[field][int(index)] = value
            else:
                header[field] = value
        raw[: header_dtype.itemsize] = header.tobytes()
        self.path.write_bytes(gzip.compress(bytes(raw), 1))

    def fields(self, **values: Any) -> None:
        """Change the sidecar; a field that becomes ``...`` goes."""
        path = self.file(".json")
        merged = {**json.loads(path.read_text()), **values}
        path.write_text(json.dumps({k: v for k, v in merged.items() if v is not ...}))

    def text(self, extension: str, content: str | bytes) -> None:
        """Write another text into a file beside the image."""
        path = self.file(extension)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content)

    def cut(self, share: float) -> None:
        """Keep the first part of the stored file."""
        stored = self.path.read_bytes()
        self.path.write_bytes(stored[: int(share * len(stored))])

    def unpacked(self) -> None:
        """A copy without compression beside it."""
        plain = self.path.with_name(self.path.name.removesuffix(".gz"))
        plain.write_bytes(gzip.decompress(self.path.read_bytes()))


@dataclass(frozen=True)
class Planting:
    """A row of the list: what is planted, what may become of it, and markers that it changes."""

    id: str
    planted: str
    plant: Callable[[Image], Any]
    expected: tuple[Verdict, ...] = TOLD
    detectable: bool = True
    changed: tuple[str, ...] = ()


def mirrored(affine: np.ndarray) -> np.ndarray:
    """Left and right exchanged."""
    return np.diag([-1.0, 1, 1, 1]) @ affine


def turned(affine: np.ndarray) -> np.ndarray:
    """Turned by 180 degrees about the axis from feet to head."""
    return np.diag([-1.0, -1, 1, 1]) @ affine


def scaled(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    """Voxels of another size."""
    return lambda affine: affine @ np.diag([factor, factor, factor, 1])


def sheared(affine: np.ndarray) -> np.ndarray:
    """The second axis leans to the first by 30 %."""
    shear = np.eye(4)
    shear[0, 1] = 0.3
    return affine @ shear


def with_voxel(value: float) -> Callable[[np.ndarray], np.ndarray]:
    """One voxel, as floating point, has this value."""

    def changed(data: np.ndarray) -> np.ndarray:
        data = data.astype(np.float32)
        data[tuple(n // 2 for n in data.shape)] = value
        return data

    return changed


def noise_like(data: np.ndarray) -> np.ndarray:
    """Noise of the size of the image."""
    rng = np.random.default_rng(1)
    return rng.normal(np.mean(data) * 3, np.std(data), data.shape).clip(0).astype(np.int16)


def with_phase(data: np.ndarray) -> np.ndarray:
    """Complex, with a phase that varies over space."""
    ramp = np.arange(data.shape[0]).reshape(-1, *[1] * (data.ndim - 1))
    return (data * np.exp(0.2j * ramp)).astype(np.complex64)


def as_colours(data: np.ndarray) -> np.ndarray:
    """RGB voxels."""
    rgb = np.zeros(data.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    for channel in "RGB":
        rgb[channel] = np.clip(data / data.max() * 255, 0, 255)
    return rgb


#: Faults that every image can have.
COMMON = (
    Planting("empty", "a file of 0 bytes", lambda i: i.path.write_bytes(b"")),
    Planting("cut", "the file is half there", lambda i: i.cut(0.5)),
    Planting("text", "a text called nii.gz", lambda i: i.path.write_text("no image")),
    Planting("nan", "one voxel is NaN", lambda i: i.rewrite(with_voxel(np.nan))),
    Planting("inf", "one voxel is infinite", lambda i: i.rewrite(with_voxel(np.inf))),
    Planting("constant", "every voxel is 7", lambda i: i.rewrite(lambda d: np.full_like(d, 7))),
    Planting("complex", "complex voxels with a phase", lambda i: i.rewrite(with_phase)),
    Planting("complex-real", "complex voxels without a phase",
             lambda i: i.rewrite(lambda d: d.astype(np.complex64))),
    Planting("rgb", "RGB voxels", lambda i: i.rewrite(as_colours)),
    Planting("no-codes", "sform_code 0 and qform_code 0",
             lambda i: i.header(sform_code=0, qform_code=0)),
    Planting("qform-turned", "qform turned by 180 degrees against the sform",
             lambda i: i.rewrite(qform=turned, codes=(2, 1))),
    Planting("qform-mirrored", "qform mirrored against the sform",
             lambda i: i.rewrite(qform=mirrored, codes=(2, 1))),
    Planting("sheared", "the sform is sheared by 30 %", lambda i: i.rewrite(sform=sheared)),
    Planting("voxel-metres", "voxel size in metres", lambda i: i.rewrite(sform=scaled(1e-3))),
    Planting("voxel-x10", "voxels ten times too large", lambda i: i.rewrite(sform=scaled(10))),
    Planting("pixdim", "pixdim 10 % larger than the sform's voxels",
             lambda i: i.header(**{f"pixdim {k + 1}": 1.1 * v for k, v in enumerate(
                 np.sqrt((nib.load(i.path).affine[:3, :3] ** 2).sum(axis=0)))})),
    Planting("singular", "a singular sform", lambda i: i.header(srow_z=0)),
    Planting("slope-negative", "scl_slope -1", lambda i: i.header(scl_slope=-1, scl_inter=0)),
    Planting("slope-zero", "scl_slope 0", lambda i: i.header(scl_slope=0), RIGHT),
    Planting("inter-nan", "scl_slope 1 and scl_inter NaN",
             lambda i: i.header(scl_slope=1, scl_inter=np.nan)),
    Planting("negative", "intensities shifted to a negative mean",
             lambda i: i.rewrite(lambda d: (d - 2.0 * d.max()).astype(np.float32))),
    Planting("huge", "a header of 32767 x 32767 x 32767 voxels",
             lambda i: i.header(**{f"dim {k}": 32767 for k in (1, 2, 3)})),
    Planting("dim-smaller", "a header with a row less than the data",
             lambda i: i.header(**{"dim 1": nib.load(i.path).shape[0] - 1})),
    Planting("dim-negative", "a negative size in the header", lambda i: i.header(**{"dim 2": -5})),
    Planting("five", "five dimensions",
             lambda i: i.rewrite(lambda d: np.stack([np.atleast_3d(d)[..., None]] * 2, axis=-1)
                                 if d.ndim == 3 else np.stack([d, d], axis=-1))),
    Planting("magic", "the magic of the header is broken", lambda i: i.header(magic=b"x+1")),
    Planting("units", "xyzt_units says micron", lambda i: i.header(xyzt_units=11), RIGHT),
    Planting("json-broken", "the sidecar is no JSON",
             lambda i: i.text(".json", '{"RepetitionTime": ')),
    Planting("json-list", "the sidecar is a list", lambda i: i.text(".json", "[1]")),
    Planting("json-utf16", "the sidecar is UTF-16",
             lambda i: i.text(".json", '{"A": 1}'.encode("utf-16"))),
    Planting("json-nested", "the sidecar is nested 100 000 deep",
             lambda i: i.text(".json", '{"A": ' + "[" * 100_000 + "]" * 100_000 + "}")),
)  # fmt: skip


@dataclass(frozen=True)
class Area:
    """An area of image cases, with what it compares.

    Attributes
    ----------
    name, modality
        As in the table; as in the index.
    steps
        Preprocessing and measuring.
    noise
        Of each marker by its name: how far a value may lie from the truth by noise alone, as a
        share of it and in its own unit (the larger holds).
    """

    name: str
    modality: str
    steps: Steps
    noise: Mapping[str, tuple[float, float]]

    def cases(
        self,
        work: Path,
        raw: Path,
        plantings: Sequence[Planting],
        anat: AnatFiles | None,
        *,
        mutations: int,
        seed: int,
    ) -> list[Case]:
        """Measure ``raw`` undisturbed, and give a case for each planting and mutation."""
        truth = measured(raw, work / "truth", self.modality, self.steps, anat)
        tolerance = {}
        for name, value in truth.values.items():
            share, least = self.noise[name.partition("/")[0]]
            tolerance[name] = max(share * abs(value), least)

        def attempt(folder: Path, changed: Sequence[str] = ()) -> Outcome:
            found = measured(folder, folder / "derivatives", self.modality, self.steps, anat)
            told = sorted(found.told - truth.told)
            anything = {name: np.inf for name in tolerance if name.partition("/")[0] in changed}
            return compared(found.values, truth.values, tolerance | anything, told=told)

        def case(planting: Planting) -> Case:
            def run(folder: Path) -> Outcome:
                shutil.copytree(raw, folder, dirs_exist_ok=True)
                planting.plant(Image(scan_of(folder, self.modality).path))
                return attempt(folder, planting.changed)

            return Case(
                self.name,
                f"{self.modality}-{planting.id}",
                planting.planted,
                run,
                planting.expected,
                planting.detectable,
            )

        return [
            *map(case, plantings),
            *mutation_cases(self.name, raw, attempt, count=mutations, seed=seed),
        ]
