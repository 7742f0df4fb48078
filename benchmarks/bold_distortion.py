r"""Susceptibility distortion of BOLD undone, on a simulated head and on a measured one.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 \
        python benchmarks/bold_distortion.py [--hz 60 150] [--voxel-mm 2.5]

The head of a simulated person lies in a field of this strength above the sinuses. It moves, and lay
elsewhere in every image of `fmap/`, each of which has a grid of its own: a field map in Hz, phases
that wrap, two phases, one spin-echo-like image of the opposite phase encoding, and both senses.
Residual: distance along the phase encoding between where tissue is and where it is looked for, in
voxels that are mostly brain, and in those that the field displaces by more than 1 mm. `signed` is
the median with its sign: registration to the T1w image takes it in.

With `--real DATA --anat FOLDER` the field map of `sub-xa01` below `DATA/bids-more` is taken as it
is, with the opposite sign, too strong and too weak; FOLDER holds the person's anatomical derivatives.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.ndimage import map_coordinates

from commissure.dataset.index import survey
from commissure.dataset.tree import tree_of
from commissure.func.builtin.distortion import checked_at_border, susceptibility
from commissure.func.builtin.normalisation import brain_mask, dilated
from commissure.func.builtin.realign import mean_volume, realign
from commissure.images.anat_files import AnatFiles
from commissure.names import Scan
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.head.anatomy import Anatomy, draw_anatomy
from commissure.phantom.person import Person
from commissure.phantom.protocol import Protocol, chosen_protocol
from commissure.phantom.scanner.bold import DROPOUTS, INTENSITY, BoldSeries, simulate_bold
from commissure.phantom.scanner.distortion import BOLD_READOUT_S, displacement, off_resonance
from commissure.phantom.scanner.echo_planar import FineHead, fine_head, voxel_means

#: Brightness of tissues in the images of ``fmap/``: gradient echoes early, and spin echoes.
GRADIENT_ECHO = {"gm": 800.0, "wm": 1000.0, "csf": 600.0, "outside": 700.0}
SPIN_ECHO = {"gm": 1000.0, "wm": 750.0, "csf": 1900.0, "outside": 400.0}

#: How the head lay between the run and an image of ``fmap/``: SD in mm and degrees.
MOVED_MM, MOVED_DEG = 2.0, 1.5

#: Echo times of the field map in s: above 102 Hz its phase wraps.
ECHO_TIMES_S = (0.00492, 0.00982)

#: What each row of the table has of ``fmap/``.
KINDS: Mapping[str, tuple[str, ...]] = {
    "field in Hz": ("fieldmap", "magnitude"),
    "phase difference": ("phasediff", "magnitude"),
    "two phases": ("phase1", "phase2", "magnitude"),
    "opposed, one-sided": ("reversed",),
    "opposed, spin echo, both senses": ("epi", "epi_same"),
}


def image_of(head: FineHead, brightness: Mapping[str, float]) -> np.ndarray:
    """An undistorted image of a head on its acquired grid, as the coils see it."""
    image = voxel_means(sum(brightness[name] * values for name, values in head.maps.items()))
    return image * coils(head)


def coils(head: FineHead) -> np.ndarray:
    """What surface coils make of an image on the acquired grid."""
    voxels = np.indices(head.shape).reshape(3, -1).T
    return head.coil_sensitivity(voxels).reshape(head.shape)


def bold_contrast(head: FineHead) -> np.ndarray:
    """The contrast of the run, signal lost to air included."""
    image = sum(INTENSITY[name] * values for name, values in head.maps.items())
    for centre, extent, lost in DROPOUTS:
        image = image * (
            1 - lost * np.exp(-(((head.template_mm - centre) / extent) ** 2).sum(-1) / 2)
        )
    return voxel_means(image) * coils(head)


def opposed(image: np.ndarray, hz: np.ndarray, sense: float) -> np.ndarray:
    """The image as echo-planar imaging of that sense sees it."""
    seen = displacement((sense * BOLD_READOUT_S * hz).astype(np.float32))
    places, factor = seen.origins(np.indices(image.shape).reshape(3, -1))
    return (map_coordinates(image, places, order=3) * factor).reshape(image.shape)


def field_maps(
    anatomy: Anatomy, pose: np.ndarray, protocol: Protocol, folder: Path, rng: np.random.Generator
) -> dict[str, Path]:
    """Write the images of ``fmap/`` of a head; their paths by what they are."""
    files = {}

    def elsewhere(voxel_mm: float) -> tuple[FineHead, np.ndarray]:
        moved = pose + rng.normal(size=6) * ([MOVED_MM] * 3 + [np.deg2rad(MOVED_DEG)] * 3)
        head = fine_head(anatomy, voxel_mm, pose=moved)
        hz = voxel_means(off_resonance(head.template_mm, protocol.off_resonance_hz))
        return head, hz

    def written(key: str, data: np.ndarray, affine: np.ndarray, **fields: object) -> None:
        path = folder / f"sub-01_{key}.nii.gz"
        nib.save(nib.Nifti1Image(data.astype(np.float32), affine), path)
        files[key] = path
        beside = folder / f"sub-01_{key}.json"
        beside.write_text(json.dumps(fields))
        files[f"{key}_json"] = beside

    head, hz = elsewhere(protocol.func.voxel_mm)
    magnitude = image_of(head, GRADIENT_ECHO)
    loud = np.maximum(magnitude, 1) / 800
    phases = [
        np.angle(np.exp(1j * (2 * np.pi * hz * t + 0.02 / loud * rng.normal(size=hz.shape) + 0.7)))
        for t in ECHO_TIMES_S
    ]
    # Without signal a phase is anything.
    air = voxel_means(head.substance) < 0.05
    phases = [np.where(air, rng.uniform(-np.pi, np.pi, hz.shape), phase) for phase in phases]
    difference = np.angle(np.exp(1j * (phases[1] - phases[0])))
    noise = rng.normal(size=hz.shape)
    written("magnitude", magnitude + 15 * np.abs(noise), head.affine)
    written("fieldmap", np.where(air, 0, hz + 3 * noise), head.affine, Units="Hz")
    steps = 4096 / (2 * np.pi)
    first, second = ECHO_TIMES_S
    written("phasediff", difference * steps, head.affine, EchoTime1=first, EchoTime2=second)
    for key, phase, time_s in zip(("phase1", "phase2"), phases, ECHO_TIMES_S, strict=True):
        written(key, phase * steps, head.affine, EchoTime=time_s)
    head, hz = elsewhere(protocol.func.voxel_mm)
    encoded = {"PhaseEncodingDirection": "j", "TotalReadoutTime": BOLD_READOUT_S}
    seen = opposed(bold_contrast(head), hz, 1.0) + 15 * np.abs(rng.normal(size=hz.shape))
    written("reversed", seen, head.affine, **encoded)
    head, hz = elsewhere(protocol.func.voxel_mm)
    image = image_of(head, SPIN_ECHO)
    for key, sense, direction in (("epi", 1.0, "j"), ("epi_same", -1.0, "j-")):
        seen = opposed(image, hz, sense) + 15 * np.abs(rng.normal(size=hz.shape))
        encoded = {"PhaseEncodingDirection": direction, "TotalReadoutTime": BOLD_READOUT_S}
        written(key, seen, head.affine, **encoded)
    return files


def one_run(
    anatomy: Anatomy, protocol: Protocol, person: Person, kinds: Sequence[str], table: Table
) -> None:
    """Simulate a run in a field, and undo its distortion from every kind of field map."""
    rng = np.random.default_rng(person.seed + 7)
    bold = simulate_bold(anatomy, person, protocol, np.random.default_rng(person.seed + 1))
    head = fine_head(anatomy, protocol.func.voxel_mm, pose=bold.since_t1w)
    brain = voxel_means(sum(head.maps[name] for name in ("gm", "wm", "csf"))) > 0.5
    motion = realign(bold.data, bold.affine, mask=around(bold))
    reference = nib.Nifti1Image(mean_volume(bold.data, bold.affine, motion), bold.affine)
    with tempfile.TemporaryDirectory() as scratch:
        files = field_maps(anatomy, bold.since_t1w, protocol, Path(scratch), rng)
        sidecar = Path(scratch, "sub-01_bold.json")
        sidecar.write_text(json.dumps(dict(bold.metadata)))
        true = -BOLD_READOUT_S * bold.field_map * protocol.func.voxel_mm
        displaced = np.abs(true[brain]) > 1
        add(table, protocol, "none", true[brain], displaced, 0.0)
        for kind in kinds:
            keys = KINDS[kind]
            own = {k: files[k] for key in keys for k in (key, f"{key}_json") if k in files}
            own = {k.replace("reversed", "epi"): path for k, path in own.items()}
            scan = Scan(Path(scratch, "sub-01_bold.nii.gz"), {"sub": "01"}, "bold", [sidecar], own)
            begin = time.process_time()
            found = susceptibility(scan, bold.data, motion, reference)
            seconds = time.process_time() - begin
            if found.shift is None:
                table.add_row(f"{protocol.off_resonance_hz:g}", kind, *found.notes)
                continue
            add(table, protocol, kind, (found.shift.mm - true)[brain], displaced, seconds)


def around(bold: BoldSeries) -> np.ndarray:
    """Where movement is looked for, as the engine does."""
    middle = bold.data[..., bold.data.shape[3] // 2]
    return dilated(brain_mask(middle, bold.affine), bold.affine, radius_mm=6)


def add(
    table: Table, protocol: Protocol, kind: str, off: np.ndarray, displaced: np.ndarray, cpu: float
) -> None:
    far = np.abs(off)
    cells = [np.median(far), *np.percentile(far, (95, 99))]
    cells += [np.median(far[displaced]), np.percentile(far[displaced], 95), np.median(off)]
    shown = (f"{cell:.2f}" for cell in cells)
    table.add_row(f"{protocol.off_resonance_hz:g}", kind, *shown, f"{cpu:.1f}")


def measured_head(data: Path, folder: Path) -> None:
    """Print the contrast across the border of a real head by the factor on its field map."""
    entries, _ = survey(data, tree_of(data))
    entry = next(e for e in entries if e.modality == "func" and e.participant_id == "sub-xa01")
    scan = entry.scan_in(data)
    image = nib.load(scan.path)
    series, affine = np.asarray(image.dataobj, np.float32), image.affine
    mask = dilated(brain_mask(series[..., series.shape[3] // 2], affine), affine, radius_mm=6)
    motion = realign(series, affine, mask=mask)
    reference = nib.Nifti1Image(mean_volume(series, affine, motion), affine)
    anat = AnatFiles.of(Scan(folder / "sub-xa01_T1w.nii.gz", {"sub": "xa01"}, "T1w"), folder)
    found = susceptibility(scan, series, motion, reference)
    table = Table(
        title="sub-xa01: contrast at the displaced border, %, agreement gained with half and twice"
    )
    for column in (
        "factor on the field", "corrected", "opposite", "uncorrected", "half", "double", "taken",
    ):  # fmt: skip
        table.add_column(column)
    for factor in (1.0, -1.0, 2.0, 3.0, 6.28, 0.5, 0.16):
        checked = checked_at_border(
            replace(found, shift=found.shift.times(factor)), reference, anat
        )
        shown = [f"{value:.1f}" for value in checked.contrast_percent.values()]
        shown += [f"{value:+.3f}" for value in checked.agreement_gain.values()]
        table.add_row(f"{factor:g}", *shown, "no" if checked.shift is None else "yes")
    Console(width=110).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hz", type=float, nargs="*", default=[60.0, 150.0])
    parser.add_argument("--voxel-mm", type=float, default=2.5)
    parser.add_argument("--volumes", type=int, default=12)
    parser.add_argument("--anat-mm", type=float, default=2.0)
    parser.add_argument("--known", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--real", type=Path, help="folder of the measured datasets")
    parser.add_argument("--anat", type=Path, help="anatomical derivatives of sub-xa01")
    given = parser.parse_args()
    if given.real:
        measured_head(given.real / "bids-more", given.anat)
        return
    table = Table(title="residual along the phase encoding, mm")
    for column in (
        "Hz",
        "known from",
        "median",
        "95 %",
        "99 %",
        "median, > 1 mm",
        "95 %, > 1 mm",
        "signed",
        "CPU s",
    ):
        table.add_column(column)
    changes = {
        "func.voxel_mm": given.voxel_mm,
        "func.volumes": given.volumes,
        "anat.voxel_mm": given.anat_mm,
        # Diffusion series of a run's voxels would fold over themselves.
        "dwi.voxel_mm": 1.2,
    }
    [person] = draw_cohort(
        CohortRequest(controls=1, responsive=1, resistant=1, missing=0.0, seed=2)
    )[:1]
    person = replace(person, motion_scale_mm=0.2)
    plain = chosen_protocol("demo", changes)
    anatomy = draw_anatomy(person, plain, np.random.default_rng(person.seed))
    for hz in given.hz:
        one_run(anatomy, plain.changed({"off_resonance_hz": hz}), person, given.known, table)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
