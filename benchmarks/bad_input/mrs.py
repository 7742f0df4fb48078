"""Spectroscopy: what is wrong with a file, a sidecar, a shot or the water reference."""

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

from commissure.images.anat_files import AnatFiles
from commissure.mrs.builtin.preprocess import preprocess
from commissure.mrs.derivatives import MrsFiles
from commissure.mrs.measure import measure
from commissure.mrs.settings import MrsPreprocessSettings, MrsSettings
from commissure.rows import read_markers

from .harness import TOLD, Case, Outcome, Verdict, compared
from .mutations import batch_case, mutation_cases
from .person import scan_of, tiny_person

AREA = "MRS"
SETTINGS = MrsSettings()

#: Numbers that are no concentrations: how far they may move, as a share of their value.
CONFOUNDS = {"fwhm": 0.10, "snr": 0.45, "f_csf": 0.05}


@dataclass(frozen=True)
class Measured:
    """Values of the markers, Cramér-Rao bounds in %, and everything that the record tells."""

    values: Mapping[str, float]
    bounds: Mapping[str, float]
    told: frozenset[str]

    def noise(self, times: float) -> dict[str, float]:
        """So many Cramér-Rao bounds of each marker, in its own unit."""
        bounds = {name.lower(): bound / 100 for name, bound in self.bounds.items()}

        def share(marker: str) -> float:
            if marker in CONFOUNDS:
                return CONFOUNDS[marker]
            parts = [bounds[part] for part in marker.split("_")]
            return times * float(np.hypot.reduce(parts))

        return {marker: share(marker) * value for marker, value in self.values.items()}


def measured(bids: Path, out: Path, anat: AnatFiles | None) -> Measured:
    """Preprocess and measure the spectrum of a dataset of one person."""
    scan = scan_of(bids, "mrs")
    preprocess(scan, out, anat=anat, settings=SETTINGS)
    measure(scan, out, anat=anat, settings=SETTINGS)
    table = read_markers(out / scan.derivative("markers", ".tsv"))
    record = json.loads((out / scan.derivative("qc", ".json")).read_text())
    told = {f"flag {flag}" for flag in record["flags"]}
    told |= {*record["notes"], *record["missing"].values()}
    return Measured(
        dict(zip(table["marker"], table["value"].astype(float), strict=True)),
        record["crlb_percent"],
        frozenset(told),
    )


@dataclass(frozen=True)
class Spectrum:
    """The files of the spectrum in a copy of the person's dataset, to be spoilt."""

    folder: Path

    def file(self, kind: str, extension: str = ".nii.gz") -> Path:
        """The file of a kind, ``svs`` or ``mrsref``."""
        return self.folder / f"sub-01_voi-ACC_{kind}{extension}"

    def both(self, change: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        """Change spectrum and water reference alike."""
        for kind in ("svs", "mrsref"):
            change(kind, *args, **kwargs)

    def rewrite(
        self,
        kind: str,
        data: Callable[[np.ndarray], np.ndarray] = lambda data: data,
        *,
        extension: Callable[[dict], Any] | None = None,
        affine: Callable[[np.ndarray], np.ndarray] = lambda affine: affine,
        dwell_s: float | None = None,
        intent: str | None = None,
    ) -> None:
        """Write an image again with other data, header extension, place or dwell time."""
        path = self.file(kind)
        image = nib.load(path)
        header = image.header.copy()
        content = header.extensions[0].get_content()
        header.extensions.clear()
        if extension is not None:
            fields = extension(json.loads(content))
            content = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
        if content:
            header.extensions.append(nib.nifti1.Nifti1Extension(44, content))
        changed = data(np.asarray(image.dataobj))
        header.set_data_dtype(changed.dtype)
        new = type(image)(changed, affine(image.affine), header)
        if dwell_s is not None:
            new.header["pixdim"][4] = dwell_s
        if intent is not None:
            new.header["intent_name"] = intent
        path.unlink()
        nib.save(new, path)

    def fields(self, kind: str, **values: Any) -> None:
        """Change the sidecar; a field that becomes ``...`` goes."""
        path = self.file(kind, ".json")
        merged = {**json.loads(path.read_text()), **values}
        path.write_text(json.dumps({k: v for k, v in merged.items() if v is not ...}))

    def header(self, kind: str, **values: Any) -> None:
        """Change fields of the NIfTI header, as they lie in the file."""
        path = self.file(kind)
        content = bytearray(gzip.decompress(path.read_bytes()))
        for name, value in values.items():
            field, offset = nib.nifti1.header_dtype.fields[name][:2]
            patch = np.array(value, field).tobytes()
            content[offset : offset + len(patch)] = patch
        path.write_bytes(gzip.compress(bytes(content)))

    def header_fields(self, kind: str, **values: Any) -> None:
        """Change the header extension; a field that becomes ``...`` goes."""
        self.rewrite(
            kind,
            extension=lambda fields: {
                k: v for k, v in {**fields, **values}.items() if v is not ...
            },
        )


def shots(change: Callable[[np.ndarray], None]) -> Callable[[Spectrum], None]:
    """Plant something in the shots of the spectrum, the last dimension of its data."""

    def plant(spectrum: Spectrum) -> None:
        def changed(data: np.ndarray) -> np.ndarray:
            data = data.copy()
            change(data)
            return data

        spectrum.rewrite("svs", changed)

    return plant


def strong_noise(data: np.ndarray, which: Sequence[int], times: float = 1.0) -> None:
    """Shots become noise of the size of the first point of the FID."""
    rng = np.random.default_rng(3)
    shape = data[..., which].shape
    size = times * np.abs(data[0, 0, 0, 0]).mean() / np.sqrt(2)
    data[..., which] = size * (rng.normal(size=shape) + 1j * rng.normal(size=shape))


def _set(data: np.ndarray, which: Any, value: Any) -> None:
    data[..., which] = value


def _scaled(data: np.ndarray, which: Any, factor: complex) -> None:
    data[..., which] *= factor


@dataclass(frozen=True)
class Planting:
    """A row of the list: what is planted, and what may become of it."""

    id: str
    planted: str
    plant: Callable[[Spectrum], Any]
    expected: tuple[Verdict, ...] = TOLD
    noise: float = 1.5
    detectable: bool = True


RIGHT: tuple[Verdict, ...] = ("right",)
TOLD_OR_RIGHT: tuple[Verdict, ...] = ("refused", "flagged", "right")


def _moved(affine: np.ndarray, y: float) -> np.ndarray:
    changed = affine.copy()
    changed[1, 3] += y
    return changed


FILES = (
    Planting("echo-ms", "EchoTime 30 (ms) in the sidecar",
             lambda s: s.fields("svs", EchoTime=30)),
    Planting("repetition-ms", "RepetitionTime 2000",
             lambda s: s.fields("svs", RepetitionTime=2000)),
    Planting("nucleus", "ResonantNucleus 31P",
             lambda s: s.fields("svs", ResonantNucleus=["31P"])),
    Planting("conjugated", "FIDs of both files conjugated",
             lambda s: s.both(s.rewrite, np.conj), TOLD_OR_RIGHT),
    Planting("conjugated-svs", "FIDs of the spectrum alone conjugated",
             lambda s: s.rewrite("svs", np.conj)),
    Planting("no-reference", "no water reference",
             lambda s: (s.file("mrsref").unlink(), s.file("mrsref", ".json").unlink())),
    Planting("suppressed-reference", "the reference is a copy of the spectrum",
             lambda s: (shutil.copy(s.file("svs"), s.file("mrsref")),
                        shutil.copy(s.file("svs", ".json"), s.file("mrsref", ".json")))),
    Planting("reference-x10", "water reference ten times too large",
             lambda s: s.rewrite("mrsref", lambda d: d * 10)),
    Planting("reference-x0.1", "water reference ten times too small",
             lambda s: s.rewrite("mrsref", lambda d: d / 10)),
    Planting("reference-x0.8", "water reference at 0.8 of its scale",
             lambda s: s.rewrite("mrsref", lambda d: d * np.float32(0.8)), detectable=False),
    Planting("reference-zero", "water reference zero",
             lambda s: s.rewrite("mrsref", np.zeros_like)),
    Planting("no-extension", "no MRS header extension",
             lambda s: s.rewrite("svs", extension=lambda _: b"")),
    Planting("real", "real part only, as float",
             lambda s: s.rewrite("svs", lambda d: d.real.copy())),
    Planting("real-complex", "imaginary part zero in a complex file",
             lambda s: s.rewrite("svs", lambda d: d.real.astype(d.dtype))),
    Planting("real-reference", "imaginary part of the reference zero",
             lambda s: s.rewrite("mrsref", lambda d: d.real.astype(d.dtype))),
    Planting("magnitude", "magnitude in a complex file",
             lambda s: s.rewrite("svs", lambda d: np.abs(d).astype(d.dtype))),
    Planting("swapped-parts", "real and imaginary part exchanged in both",
             lambda s: s.both(s.rewrite, lambda d: (d.imag + 1j * d.real).astype(d.dtype)),
             TOLD_OR_RIGHT),
    Planting("spectrum", "spectra in place of FIDs",
             lambda s: s.both(s.rewrite, lambda d: np.fft.fft(d, axis=3).astype(d.dtype))),
    Planting("reversed", "FIDs reversed in time",
             lambda s: s.both(s.rewrite, lambda d: d[:, :, :, ::-1].copy())),
    Planting("nan", "one sample is NaN",
             shots(lambda d: d.__setitem__((0, 0, 0, 5, 0, 3), np.nan))),
    Planting("csi", "2 x 2 x 1 voxels",
             lambda s: s.rewrite("svs", lambda d: np.tile(d, (2, 2, 1, 1, 1, 1)))),
    Planting("short", "100 points", lambda s: s.rewrite("svs", lambda d: d[:, :, :, :100])),
    Planting("frequency-hz", "SpectrometerFrequency in Hz",
             lambda s: s.fields("svs", SpectrometerFrequency=[123250000])),
    Planting("field", "MagneticFieldStrength 7",
             lambda s: s.fields("svs", MagneticFieldStrength=7)),
    Planting("width-sidecar", "SpectralWidth 4000 in the sidecar",
             lambda s: s.fields("svs", SpectralWidth=4000.0)),
    Planting("dwell-ms", "dwell time in ms in the header",
             lambda s: s.rewrite("svs", dwell_s=0.5)),
    Planting("width-everywhere", "spectral width and dwell time of 4000 Hz everywhere",
             lambda s: (s.both(s.rewrite, dwell_s=1 / 4000,
                               extension=lambda f: {**f, "SpectralWidth": 4000.0}),
                        s.both(s.fields, SpectralWidth=4000.0))),
    Planting("tags", "tags of coils and shots exchanged",
             lambda s: s.header_fields("svs", dim_5="DIM_DYN", dim_6="DIM_COIL")),
    Planting("extension-text", "the header extension is no JSON",
             lambda s: s.rewrite("svs", extension=lambda _: b"EchoTime: 0.03")),
    Planting("no-echo", "no EchoTime anywhere",
             lambda s: (s.fields("svs", EchoTime=...), s.header_fields("svs", EchoTime=...))),
    Planting("echo-contradiction", "EchoTime 0.144 in the sidecar, 0.030 in the header",
             lambda s: s.fields("svs", EchoTime=0.144)),
    Planting("echo-text", "EchoTime is the text 0.03", lambda s: s.fields("svs", EchoTime="0.03")),
    Planting("echo-144", "EchoTime 0.144 in all places, 0.030 in truth",
             lambda s: (s.both(s.fields, EchoTime=0.144),
                        s.both(s.header_fields, EchoTime=0.144))),
    Planting("reference-echo", "EchoTime of the reference 0.1 in its sidecar",
             lambda s: s.fields("mrsref", EchoTime=0.1)),
    Planting("far", "both voxels 95 mm away",
             lambda s: s.both(s.rewrite, affine=lambda a: _moved(a, -95))),
    Planting("reference-far", "the voxel of the reference elsewhere",
             lambda s: s.rewrite("mrsref", affine=lambda a: _moved(a, -94))),
    Planting("reference-5mm", "the reference of another person, 5 mm away",
             lambda s: s.rewrite("mrsref", affine=lambda a: _moved(a, 5.3))),
    Planting("no-place", "sform_code and qform_code are 0",
             lambda s: s.both(s.header, sform_code=0, qform_code=0)),
    Planting("two-places", "qform 30 mm from sform",
             lambda s: s.both(s.header, qoffset_y=30)),
    Planting("slope", "scl_slope of the spectrum is 2",
             lambda s: s.header("svs", scl_slope=2)),
    Planting("off-frequency", "everything 100 Hz off",
             lambda s: s.both(s.rewrite, lambda d: (d * np.exp(
                 2j * np.pi * 100 * np.arange(d.shape[3]) / 2000
             ).reshape(-1, *[1] * (d.ndim - 4))).astype(d.dtype)), TOLD_OR_RIGHT),
    Planting("cut", "the file of the spectrum is half there",
             lambda s: s.file("svs").write_bytes(
                 s.file("svs").read_bytes()[: s.file("svs").stat().st_size // 2])),
    Planting("sidecar-broken", "the sidecar is no JSON",
             lambda s: s.file("svs", ".json").write_text("{EchoTime: 0.03}")),
    Planting("sidecar-nested", "the sidecar is nested 100 000 deep",
             lambda s: s.file("svs", ".json").write_text("[" * 100_000 + "]" * 100_000)),
    Planting("sidecar-nested-object", "a field of the sidecar is nested 100 000 deep",
             lambda s: s.file("svs", ".json").write_text(
                 '{"EchoTime": ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}")),
    Planting("sidecar-huge", "the sidecar has 300 MB",
             lambda s: _written_huge(s.file("svs", ".json")), TOLD_OR_RIGHT),
    Planting("sidecar-long-number", "a number of the sidecar has 100 000 digits",
             lambda s: s.file("svs", ".json").write_text('{"EchoTime": ' + "3" * 100_000 + "}")),
    Planting("extension-nested", "the header extension is nested 100 000 deep",
             lambda s: s.rewrite("svs", extension=lambda _: b"[" * 100_000 + b"]" * 100_000)),
    Planting("no-sidecars", "no sidecars: the header says the same",
             lambda s: (s.header_fields("svs", SpectrometerFrequency=[123.25]),
                        s.both(lambda kind: s.file(kind, ".json").unlink())), RIGHT),
    Planting("scale", "both times a million",
             lambda s: s.both(s.rewrite, lambda d: d * np.float32(1e6)), RIGHT),
    Planting("reference-points", "water reference with 512 points",
             lambda s: s.rewrite("mrsref", lambda d: d[:, :, :, :512]), RIGHT),
    Planting("reference-coils", "water reference with one coil of two",
             lambda s: s.rewrite("mrsref", lambda d: d[:, :, :, :, :1])),
)  # fmt: skip


def _written_huge(path: Path) -> None:
    with path.open("w") as file:
        file.write('{"EchoTime": 0.03, "x": [0')
        for _ in range(300):
            file.write(", 0" * 333_333)
        file.write("]}")


SHOTS = (
    Planting("noise-only", "every shot is noise", shots(lambda d: strong_noise(d, range(8)))),
    Planting("zero-1", "one shot of 8 is zero", shots(lambda d: _set(d, 0, 0)),
             TOLD_OR_RIGHT),
    Planting("zero-4", "4 of 8 shots are zero", shots(lambda d: _set(d, slice(4, None), 0)),
             TOLD_OR_RIGHT, noise=3),
    Planting("zero-7", "7 of 8 shots are zero", shots(lambda d: _set(d, slice(1, None), 0)),
             noise=5),
    Planting("x20", "one shot of 8 times 20", shots(lambda d: _scaled(d, 3, 20)), TOLD_OR_RIGHT),
    Planting("x20-first-two", "two shots of 8 times 20",
             shots(lambda d: _scaled(d, [0, 1], 20)), TOLD_OR_RIGHT),
    Planting("noise-1", "one shot of 8 is strong noise",
             shots(lambda d: strong_noise(d, [2])), TOLD_OR_RIGHT),
    Planting("noise-2", "two shots of 8 are strong noise",
             shots(lambda d: strong_noise(d, [2, 5])), TOLD_OR_RIGHT),
    Planting("noise-1-huge", "one shot of 8 is noise a thousand times as strong",
             shots(lambda d: strong_noise(d, [2], 1000)), TOLD_OR_RIGHT),
    Planting("weak-3", "three shots of 8 at a tenth",
             shots(lambda d: _scaled(d, [1, 2, 6], 0.1)), TOLD_OR_RIGHT, noise=3),
    Planting("negative-3", "three shots of 8 with the sign turned",
             shots(lambda d: _scaled(d, [1, 2, 6], -1)), TOLD_OR_RIGHT),
    Planting("coil-zero", "one coil of two is zero in the spectrum",
             shots(lambda d: d.__setitem__((0, 0, 0, slice(None), 1), 0))),
    Planting("coil-zero-both", "one coil of two is zero in both files",
             lambda s: s.both(s.rewrite, _first_coil_only), TOLD_OR_RIGHT, noise=3),
    Planting("same-shots", "the first shot eight times over",
             shots(lambda d: _set(d, slice(None), d[..., :1].copy())), noise=5),
    Planting("spike", "one sample a million times too large",
             shots(lambda d: d.__setitem__((0, 0, 0, 300, 0, 3), 1e6)), TOLD_OR_RIGHT),
    Planting("spike-reference", "one sample of the reference a million times too large",
             lambda s: s.rewrite("mrsref", _spiked), TOLD_OR_RIGHT),
    Planting("tail-zero", "the second half of every FID is zero",
             lambda s: s.rewrite("svs", lambda d: d * (np.arange(d.shape[3]) < 512).reshape(
                 -1, 1, 1).astype(d.dtype)), TOLD_OR_RIGHT),
)  # fmt: skip


def _first_coil_only(data: np.ndarray) -> np.ndarray:
    data = data.copy()
    data[:, :, :, :, 1] = 0
    return data


def _spiked(data: np.ndarray) -> np.ndarray:
    data = data.copy()
    data[0, 0, 0, 300, 0] = 1e8
    return data


def cases(work: Path, *, mutations: int, seed: int) -> list[Case]:
    """Simulate a person, measure them undisturbed, and plant every case in a copy."""
    person = tiny_person(work)
    raw = work / "raw"
    shutil.copytree(person.folder / "mrs", raw / "sub-01" / "mrs")
    truth = measured(raw, work / "truth", person.anat)

    def attempt(folder: Path, noise: float) -> Outcome:
        found = measured(folder, folder / "derivatives", person.anat)
        told = sorted(found.told - truth.told)
        return compared(found.values, truth.values, truth.noise(noise), told=told)

    def case(planting: Planting) -> Case:
        def run(folder: Path) -> Outcome:
            shutil.copytree(raw, folder, dirs_exist_ok=True)
            planting.plant(Spectrum(folder / "sub-01" / "mrs"))
            return attempt(folder, planting.noise)

        return Case(
            AREA, planting.id, planting.planted, run, planting.expected, planting.detectable
        )

    listed = [*map(case, (*FILES, *SHOTS))]
    if mutations:
        drawn = {"count": mutations, "seed": seed}
        listed += mutation_cases(AREA, raw, lambda folder: attempt(folder, 1.0), **drawn)
        listed.append(
            batch_case(
                AREA, raw, "mrs", compute=preprocess, settings_type=MrsPreprocessSettings,
                files=MrsFiles, **drawn,
            )
        )  # fmt: skip
    return listed
