"""Writing a simulated person and the tables of a simulated study as a BIDS dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from commissure import __version__
from commissure.images.load import save_image
from commissure.names import bids_name
from commissure.phantom.cohort import (
    PARTICIPANTS_COLUMNS,
    effects_table,
    groups_table,
    participants_table,
)
from commissure.phantom.person import Person, Protocol
from commissure.phantom.treatments import TREATMENTS_COLUMNS, treatments_table
from commissure.rows import Marker, atomic, write_json, write_markers, write_table, write_text

if TYPE_CHECKING:
    from commissure.phantom.mrs import MrsData

TASK = "rest"
VOI = "ACC"

#: Where the truth lies below the dataset.
TRUTH = Path("sourcedata", "truth")

#: What :func:`write_study` and :func:`write_truth` write.
STUDY_FILES = (
    Path("dataset_description.json"),
    Path("README.md"),
    Path("participants.tsv"),
    Path("participants.json"),
    Path("sourcedata", "treatments.tsv"),
    Path("sourcedata", "treatments.json"),
    *(TRUTH / name for name in ("markers.tsv", "targets.tsv", "effects.tsv", "groups.tsv")),
    TRUTH / "scanners.json",
)

MOTION_COLUMNS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")

# Every modality of a person draws from a stream of its own: whether one is missing, or how one is
# simulated, never changes another.
_STREAMS = ("anatomy", "t1w", "bold", "dwi", "mrs")

_UNITS = {
    "volume": "mm3",
    "tiv": "mm3",
    "md": "mm2/s",
    "fwhm": "ppm",
    "mean_fd": "mm",
    "dwi_motion": "mm",
}
_METABOLITES = ("glu", "gln", "glx", "gsh", "tnaa", "tcr", "tcho", "ins")


def files_of(person: Person) -> list[Path]:
    """Every file that a person has, relative to the dataset; the last one is written last."""
    sub = person.participant_id
    truth = TRUTH / sub
    files = []
    if "anat" in person.modalities:
        files += _named(person, "anat", "T1w", (".nii.gz", ".json"))
    if "func" in person.modalities:
        files += _named(person, "func", "bold", (".nii.gz", ".json"), task=TASK)
        files.append(truth / bids_name(_entities(person, task=TASK), "motion", ".tsv"))
    if "dwi" in person.modalities:
        files += _named(person, "dwi", "dwi", (".nii.gz", ".json", ".bval", ".bvec"))
        files.append(truth / bids_name(_entities(person), "motion", ".tsv"))
    if "mrs" in person.modalities:
        for suffix in ("svs", "mrsref"):
            files += _named(person, "mrs", suffix, (".nii.gz", ".json"), voi=VOI)
    return [*files, truth / f"{sub}_acquisition.json", truth / f"{sub}_markers.tsv"]


def write_person(out: Path, person: Person, protocol: Protocol) -> None:
    """Simulate everything that a person had measured, and write it with its truth.

    Parameters
    ----------
    out
        The dataset.
    person
        His ``modalities`` say what is written; the head is drawn in any case.
    protocol
        How he is measured.
    """
    from commissure.phantom.anatomy import draw_anatomy

    streams = {
        name: np.random.default_rng(np.random.SeedSequence([person.seed, number]))
        for number, name in enumerate(_STREAMS)
    }
    anatomy = draw_anatomy(person, protocol, streams["anatomy"])
    truth: list[Marker] = []
    happened: dict[str, object] = {}

    def path(modality: str, suffix: str, extension: str, **entities: str) -> Path:
        return out / _named(person, modality, suffix, (extension,), **entities)[0]

    if "anat" in person.modalities:
        from commissure.phantom.t1w import simulate_t1w

        t1w = simulate_t1w(anatomy, person, protocol, streams["t1w"])
        save_image(t1w.data, t1w.affine, path("anat", "T1w", ".nii.gz"))
        write_json(_sidecar(person, t1w.metadata), path("anat", "T1w", ".json"))
        truth += _rows(person, "anat", anatomy.truth)
    if "func" in person.modalities:
        from commissure.phantom.bold import simulate_bold

        bold = simulate_bold(anatomy, person, protocol, streams["bold"])
        image = path("func", "bold", ".nii.gz", task=TASK)
        save_image(_stored(bold.data), bold.affine, image, tr_s=bold.tr_s)
        write_json(_sidecar(person, bold.metadata), path("func", "bold", ".json", task=TASK))
        _write_motion(bold.motion, out / _motion_file(person, task=TASK))
        truth += _rows(person, "func", bold.truth)
        happened["func"] = {"since_t1w_mm_rad": bold.since_t1w}
    if "dwi" in person.modalities:
        from commissure.phantom.dwi import simulate_dwi

        dwi = simulate_dwi(anatomy, person, protocol, streams["dwi"])
        save_image(_stored(dwi.data), dwi.affine, path("dwi", "dwi", ".nii.gz"))
        write_json(_sidecar(person, dwi.metadata), path("dwi", "dwi", ".json"))
        write_text(" ".join(f"{b:g}" for b in dwi.bvals) + "\n", path("dwi", "dwi", ".bval"))
        lines = (" ".join(f"{component:.6f}" for component in row) for row in dwi.bvecs)
        write_text("\n".join(lines) + "\n", path("dwi", "dwi", ".bvec"))
        _write_motion(dwi.motion, out / _motion_file(person))
        truth += _rows(person, "dwi", dwi.truth)
        happened["dwi"] = {
            "since_t1w_mm_rad": dwi.since_t1w,
            "dropouts": [vars(dropout) for dropout in dwi.dropouts],
        }
    if "mrs" in person.modalities:
        from commissure.phantom.mrs import simulate_mrs

        mrs = simulate_mrs(anatomy, person, protocol, streams["mrs"])
        water = path("mrs", "mrsref", ".nii.gz", voi=VOI)
        for suffix, fid, own in (
            ("svs", mrs.fid, {"ReferenceSignal": f"bids::{water.relative_to(out).as_posix()}"}),
            ("mrsref", mrs.water_fid, {"NumberOfTransients": 1}),
        ):
            _write_nifti_mrs(mrs, fid, protocol, path("mrs", suffix, ".nii.gz", voi=VOI))
            metadata = {**mrs.metadata, "WaterSuppression": suffix == "svs", **own}
            write_json(_sidecar(person, metadata), path("mrs", suffix, ".json", voi=VOI))
        truth += _rows(person, "mrs", mrs.truth)
        happened["mrs"] = {
            "tissue_fractions": mrs.fractions,
            "line_width_hz": mrs.line_width_hz,
            "concentrations_mmol_per_kg": mrs.concentrations,
            **vars(mrs.shots),
        }
    *_, acquisition, markers = files_of(person)
    write_json(happened, out / acquisition)
    write_markers(truth, out / markers)


def write_study(out: Path, people: Sequence[Person], description: str) -> None:
    """Write what belongs to the dataset as a whole: description, people, treatments.

    Parameters
    ----------
    out
        The dataset.
    people
        Everyone who was drawn.
    description
        How it was simulated, a sentence for the README.
    """
    write_json(
        {
            "Name": "Simulated cohort with known truth",
            "BIDSVersion": "1.10.0",
            "DatasetType": "raw",
            "License": "CC0",
            "Authors": ["Commissure's simulator"],
            "GeneratedBy": [{"Name": "commissure simulate", "Version": __version__}],
            "SourceDatasets": [
                {"URL": "https://www.bic.mni.mcgill.ca/ServicesAtlases/ICBM152NLin2009"}
            ],
        },
        out / "dataset_description.json",
    )
    write_text(_README.format(description=description, n=len(people)), out / "README.md")
    write_table(participants_table(people), out / "participants.tsv")
    write_json(PARTICIPANTS_COLUMNS, out / "participants.json")
    write_table(treatments_table(people), out / "sourcedata" / "treatments.tsv")
    write_json(TREATMENTS_COLUMNS, out / "sourcedata" / "treatments.json")


def write_truth(out: Path, people: Sequence[Person]) -> None:
    """Put everyone's truth together: markers measured, values asked for, groups."""
    import pandas as pd

    tables = (out / files_of(person)[-1] for person in people)
    lines = [table.read_text(encoding="utf-8").splitlines(keepends=True) for table in tables]
    together = [lines[0][0], *(line for own in lines for line in own[1:])]
    write_text("".join(together), out / TRUTH / "markers.tsv")
    targets = [
        {
            "participant_id": person.participant_id,
            "marker": marker,
            "region": region,
            "value": value,
        }
        for person in people
        for (marker, region), value in [
            *person.markers.items(),
            (("motion_scale_mm", "brain"), person.motion_scale_mm),
        ]
    ]
    write_table(pd.DataFrame(targets), out / TRUTH / "targets.tsv")
    write_table(effects_table(), out / TRUTH / "effects.tsv")
    write_table(groups_table(people), out / TRUTH / "groups.tsv")
    scanners = {person.site: asdict(person.scanner) for person in people}
    write_json(dict(sorted(scanners.items())), out / TRUTH / "scanners.json")


def unit_of(marker: str) -> str:
    """Unit of a true marker, as in the column ``unit``."""
    return "mmol/kg" if marker in _METABOLITES else _UNITS.get(marker, "1")


_README = """# A simulated cohort with known truth

{n} people who do not exist: {description}.

Nothing here says anything about patients. The dataset serves to see whether software finds what was
planted. What was planted lies in `sourcedata/truth/`:

- `parameters.json`: the request; the same request gives the same bytes
- `markers.tsv`: true value of every marker of every image, without noise
- `targets.tsv`: the values that each person was drawn with, before they became images
- `effects.tsv`: mean, spread, effects and their sources, marker by marker
- `groups.tsv`: the group of each person, and the label due to him
- `scanners.json`: how the sites differ
- `sub-*/*_motion.tsv`: true head motion, volume by volume (mm and rad)
- `sub-*/*_acquisition.json`: what else happened: slices that lost signal, shots that went wrong,
  how the head had moved since the T1w, the tissue in the spectroscopy voxel

`sourcedata/treatments.tsv` has the courses of treatment from which the label follows.
"""


def _entities(person: Person, **entities: str) -> dict[str, str]:
    return {"sub": person.participant_id.removeprefix("sub-"), **entities}


def _named(
    person: Person, modality: str, suffix: str, extensions: Sequence[str], **entities: str
) -> list[Path]:
    folder = Path(person.participant_id, modality)
    return [folder / bids_name(_entities(person, **entities), suffix, e) for e in extensions]


def _motion_file(person: Person, **entities: str) -> Path:
    name = bids_name(_entities(person, **entities), "motion", ".tsv")
    return TRUTH / person.participant_id / name


def _sidecar(person: Person, metadata: Mapping[str, object]) -> dict[str, object]:
    return {
        "InstitutionName": f"Site {person.site}",
        "SoftwareVersions": f"commissure {__version__}",
        **metadata,
    }


def _stored(data: np.ndarray) -> np.ndarray:
    """Whole numbers, as a scanner stores them."""
    return np.clip(np.rint(data), 0, np.iinfo(np.int16).max).astype(np.int16)


def _write_motion(motion: np.ndarray, path: Path) -> None:
    rows = ("\t".join(f"{value:.6g}" for value in row) for row in motion)
    write_text("\n".join(["\t".join(MOTION_COLUMNS), *rows]) + "\n", path)


def _write_nifti_mrs(mrs: MrsData, fid: np.ndarray, protocol: Protocol, path: Path) -> None:
    """Write FIDs (1, 1, 1, points, coils[, shots]) as NIfTI-MRS."""
    import nibabel as nib
    from nifti_mrs.create_nmrs import gen_nifti_mrs

    image = gen_nifti_mrs(
        fid.astype(np.complex64),
        1 / protocol.mrs_spectral_width_hz,
        protocol.field_mhz,
        affine=mrs.affine,
        dim_tags=["DIM_COIL", "DIM_DYN", None],
        nifti_version=1,
        no_conj=True,  # the simulator speaks the file's convention, not that of the package
    )
    for key, value in mrs.header_extension.items():
        image.add_hdr_field(key, value)
    with atomic(path) as draft:
        nib.save(image.image.nibImage, draft)


def _rows(
    person: Person, modality: str, truth: Mapping[tuple[str, str], float]
) -> Iterator[Marker]:
    for (marker, region), value in truth.items():
        yield Marker(
            person.participant_id, "", modality, region, marker, float(value), unit_of(marker)
        )
