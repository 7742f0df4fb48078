"""Writing a simulated person and the tables of a simulated study as a BIDS dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from commissure import __version__
from commissure.files import atomic, write_json, write_table, write_text
from commissure.images.load import save_image
from commissure.phantom.cohort.oracle import scores
from commissure.phantom.cohort.planted_effects import effects_table
from commissure.phantom.cohort.tables import (
    PARTICIPANTS_COLUMNS,
    first_scans,
    groups_table,
    participants_table,
)
from commissure.phantom.cohort.treatments import TREATMENTS_COLUMNS, treatments_table
from commissure.phantom.layout import (
    LAST,
    REVERSED,
    TASK,
    TRUTH,
    VOI,
    named,
    sessions_file,
    truth_file,
)
from commissure.phantom.person import Person, Protocol
from commissure.rows import Marker, write_markers

if TYPE_CHECKING:
    from commissure.phantom.scanner.bold import BoldSeries
    from commissure.phantom.scanner.dwi import DwiSeries
    from commissure.phantom.scanner.mrs import MrsData

#: Description of every column of ``sub-*_sessions.tsv``.
SESSIONS_COLUMNS: Mapping[str, Mapping[str, object]] = {
    "age": {"Description": "Age at this scan", "Units": "year"},
    "site": {"Description": "Site of the scanner of this session"},
}

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
    from commissure.phantom.head.anatomy import draw_anatomy

    streams, own = random_streams(person)
    anatomy = draw_anatomy(person, protocol, own["anatomy"], lie=streams["anatomy"])
    truth: list[Marker] = []
    happened: dict[str, object] = {}
    if "anat" in person.modalities:
        from commissure.phantom.scanner.t1w import simulate_t1w

        t1w = simulate_t1w(anatomy, person, protocol, streams["t1w"])
        _write_image(out, person, "anat", "T1w", t1w.data, t1w.affine, t1w.metadata)
        truth += _rows(person, "anat", anatomy.truth)
    if "func" in person.modalities:
        from commissure.phantom.scanner.bold import simulate_bold

        bold = simulate_bold(anatomy, person, protocol, streams["bold"], own=own["bold"])
        happened["func"] = _write_bold(out, person, bold)
        truth += _rows(person, "func", bold.truth)
    if "dwi" in person.modalities:
        from commissure.phantom.scanner.dwi import simulate_dwi

        dwi = simulate_dwi(anatomy, person, protocol, streams["dwi"])
        happened["dwi"] = _write_dwi(out, person, dwi)
        truth += _rows(person, "dwi", dwi.truth)
    if "mrs" in person.modalities:
        from commissure.phantom.scanner.mrs import simulate_mrs

        mrs = simulate_mrs(anatomy, person, protocol, streams["mrs"], own=own["mrs"])
        happened["mrs"] = write_mrs(out, person, protocol, mrs)
        truth += _rows(person, "mrs", mrs.truth)
    acquisition, markers = (truth_file(person, *name) for name in LAST)
    write_json(happened, out / acquisition)
    write_markers(truth, out / markers)


def _write_image(
    out: Path,
    person: Person,
    modality: str,
    suffix: str,
    data: np.ndarray,
    affine: np.ndarray,
    metadata: Mapping[str, object],
    *,
    tr_s: float | None = None,
    **entities: str,
) -> Path:
    """Write an image and its sidecar; the image's path."""
    image, sidecar = (
        out / path for path in named(person, modality, suffix, (".nii.gz", ".json"), **entities)
    )
    save_image(data, affine, image, tr_s=tr_s)
    write_json(_sidecar(person, metadata), sidecar)
    return image


def _write_bold(out: Path, person: Person, bold: BoldSeries) -> dict[str, object]:
    image = _write_image(
        out, person, "func", "bold", _stored(bold.data), bold.affine, bold.metadata,
        tr_s=bold.tr_s, task=TASK,
    )  # fmt: skip
    _write_motion(bold.motion, out / truth_file(person, "motion", ".tsv", task=TASK))
    if bold.field_map is not None and bold.magnitude is not None:
        metadata = {"Units": "Hz", "IntendedFor": [_uri(image, out)]}
        _write_image(out, person, "fmap", "fieldmap", bold.field_map, bold.affine, metadata)
        magnitude = _stored(bold.magnitude)
        _write_image(out, person, "fmap", "magnitude", magnitude, bold.affine, {})
    return {"since_t1w_mm_rad": bold.since_t1w}


def _write_dwi(out: Path, person: Person, dwi: DwiSeries) -> dict[str, object]:
    image = _write_image(out, person, "dwi", "dwi", _stored(dwi.data), dwi.affine, dwi.metadata)
    bval, bvec = (out / path for path in named(person, "dwi", "dwi", (".bval", ".bvec")))
    write_text(" ".join(f"{b:g}" for b in dwi.bvals) + "\n", bval)
    lines = (" ".join(f"{component:.6f}" for component in row) for row in dwi.bvecs)
    write_text("\n".join(lines) + "\n", bvec)
    _write_motion(dwi.motion, out / truth_file(person, "motion", ".tsv"))
    if dwi.reversed_b0s is not None:
        turned = {"PhaseEncodingDirection": "j", "IntendedFor": [_uri(image, out)]}
        b0s = _stored(dwi.reversed_b0s)
        metadata = {**dwi.metadata, **turned}
        _write_image(out, person, "fmap", "epi", b0s, dwi.affine, metadata, dir=REVERSED)
    eddies = {} if dwi.eddy_mm is None else {"eddy_mm_of_1_x_y_z": dwi.eddy_mm.round(6)}
    return {
        "since_t1w_mm_rad": dwi.since_t1w,
        "dropouts": [vars(dropout) for dropout in dwi.dropouts],
        **eddies,
    }


def write_mrs(out: Path, person: Person, protocol: Protocol, mrs: MrsData) -> dict[str, object]:
    """Write a measurement with its water reference and sidecars; what happened to it."""
    names = {
        suffix: [out / path for path in named(person, "mrs", suffix, (".nii.gz", ".json"), voi=VOI)]
        for suffix in ("svs", "mrsref")
    }
    reference: dict[str, object] = {"ReferenceSignal": _uri(names["mrsref"][0], out)}
    for suffix, fid, own in (
        ("svs", mrs.fid, reference),
        ("mrsref", mrs.water_fid, {"NumberOfTransients": 1}),
    ):
        image, sidecar = names[suffix]
        _write_nifti_mrs(mrs, fid, protocol, image)
        metadata = {**mrs.metadata, "WaterSuppression": suffix == "svs", **own}
        write_json(_sidecar(person, metadata), sidecar)
    return {
        "tissue_fractions": mrs.fractions,
        "line_width_hz": mrs.line_width_hz,
        "concentrations_mmol_per_kg": mrs.concentrations,
        **vars(mrs.shots),
    }


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
    import pandas as pd

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
    for name in sorted({person.participant_id for person in people if person.session}):
        own = [person for person in people if person.participant_id == name]
        rows = [
            {"session_id": f"ses-{scan.session}", "age": scan.age, "site": scan.site}
            for scan in own
        ]
        write_table(pd.DataFrame(rows), out / sessions_file(own[0]))
        write_json(SESSIONS_COLUMNS, out / "sessions.json")


def write_truth(out: Path, people: Sequence[Person], *, factor: float = 1.0) -> None:
    """Put everyone's truth together: markers measured, values asked for, groups, the oracle.

    Parameters
    ----------
    out
        The dataset.
    people
        Every scanning session.
    factor
        On the layer resistant - responsive, as the people were drawn.
    """
    import pandas as pd

    tables = (out / truth_file(person, *LAST[-1]) for person in people)
    lines = [table.read_text(encoding="utf-8").splitlines(keepends=True) for table in tables]
    together = [lines[0][0], *(line for own in lines for line in own[1:])]
    write_text("".join(together), out / TRUTH / "markers.tsv")
    targets = [
        {
            "participant_id": person.participant_id,
            "session": f"ses-{person.session}" if person.session else None,
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
    oracle = scores(first_scans(people), factor)
    write_table(
        pd.DataFrame(list(oracle.items()), columns=["participant_id", "score"]),
        out / TRUTH / "oracle.tsv",
    )
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
- `oracle.tsv`: log-likelihood ratio, resistant against responsive, of each patient's true markers
- `scanners.json`: how the sites differ
- `sub-*/*_motion.tsv`: true head motion, volume by volume (mm and rad)
- `sub-*/*_acquisition.json`: what else happened: slices that lost signal, shots that went wrong,
  how the head had moved since the T1w, the tissue in the spectroscopy voxel

`sourcedata/treatments.tsv` has the courses of treatment from which the label follows.
"""


def random_streams(
    person: Person,
) -> tuple[dict[str, np.random.Generator], dict[str, np.random.Generator]]:
    """Random numbers of one scan by what they decide, and those of what stays of the person.

    A later scan draws what stays from the streams of the first one; in the first, both are one.
    """
    streams = _streams(person.seed)
    again = person.own_seed is not None and person.own_seed != person.seed
    return streams, _streams(person.own_seed or 0) if again else streams


def _streams(seed: int) -> dict[str, np.random.Generator]:
    return {
        name: np.random.default_rng(np.random.SeedSequence([seed, number]))
        for number, name in enumerate(_STREAMS)
    }


def _uri(path: Path, out: Path) -> str:
    return f"bids::{path.relative_to(out).as_posix()}"


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
    """Write FIDs (1, 1, 1, points, coils[, shots[, edits]]) as NIfTI-MRS."""
    import nibabel as nib
    from nifti_mrs.create_nmrs import gen_nifti_mrs

    edited = fid.ndim == 7
    image = gen_nifti_mrs(
        fid.astype(np.complex64),
        1 / protocol.mrs_spectral_width_hz,
        protocol.field_mhz,
        affine=mrs.affine,
        dim_tags=["DIM_COIL", "DIM_DYN", "DIM_EDIT" if edited else None],
        nifti_version=1,
        no_conj=True,  # the simulator speaks the file's convention, not that of the package
    )
    for key, value in mrs.header_extension.items():
        image.add_hdr_field(key, value)
    if edited:
        image.set_dim_tag("DIM_EDIT", "DIM_EDIT", header={"EditCondition": ["ON", "OFF"]})
    with atomic(path) as draft:
        nib.save(image.image.nibImage, draft)


def _rows(
    person: Person, modality: str, truth: Mapping[tuple[str, str], float]
) -> Iterator[Marker]:
    session = f"ses-{person.session}" if person.session else ""
    for (marker, region), value in truth.items():
        yield Marker(
            person.participant_id, session, modality, region, marker, float(value), unit_of(marker)
        )
