"""Simulated patients with lesions over visits as a BIDS dataset, with their truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from commissure import __version__
from commissure.errors import ConfigError
from commissure.files import write_json, write_table, write_text
from commissure.images.load import save_image
from commissure.names import bids_name
from commissure.phantom.layout import TRUTH
from commissure.phantom.lesions.bodies import Body, head, liver
from commissure.phantom.lesions.simulate import SimulatedPatient, simulate_follow_up
from commissure.phantom.simulate import RECORD, refuse_other_content

Organ = Literal["liver", "head"]

#: Contrast agent in the names of images.
AGENT = {"liver": "iodine", "head": "gadolinium"}

#: When the first visit was.
_FIRST_VISIT = datetime(2020, 1, 6, 9)

#: Voxels of the images, in mm.
_VOXEL_MM = {"liver": (1.25, 1.25, 2.5), "head": (2.0, 2.0, 2.0)}


def write_follow_ups(
    out: Path,
    *,
    organ: Organ = "liver",
    patients: int = 12,
    visits: int = 4,
    lesions: int = 4,
    seed: int = 1,
    voxel_mm: tuple[float, float, float] | None = None,
    progress: Callable[[int], object] = lambda patients: None,
) -> None:
    """Write patients with lesions, an image and a mask for each visit.

    CT of a liver lies in ``ct/``, a T1w image of a head after contrast in ``anat/``, the mask of
    lesions beside it. The truth is in ``sourcedata/truth``: the overall response by RECIST 1.1, and
    diameters and volumes without voxels.

    Parameters
    ----------
    out
        The dataset: new, empty, or left by the same request.
    organ
        Where the lesions lie.
    patients, visits, lesions
        How many; of lesions, at the baseline.
    seed
        Draws everything; the same seed gives the same bytes.
    voxel_mm
        Edges of the voxels; those of a head are all alike.
    progress
        Called with the number of patients, once for each that is written.

    Raises
    ------
    ConfigError
        The folder holds something else, or a number is too small.
    """
    if min(patients, visits, lesions) < 1:
        raise ConfigError(
            "simulate", found=f"{patients} patients, {visits} visits", wanted="one or more of each"
        )
    size = voxel_mm or _VOXEL_MM[organ]
    request = {
        "organ": organ, "patients": patients, "visits": visits, "lesions": lesions, "seed": seed,
        "voxel_mm": list(size), "version": __version__,
    }  # fmt: skip
    refuse_other_content(out, request)
    write_json(request, out / RECORD)
    _write_description(out, organ, patients)
    truth: list[dict[str, object]] = []
    responses: list[dict[str, object]] = []
    for number in range(1, patients + 1):
        who = f"sub-{number:02d}"
        drawn = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        body = liver(size) if organ == "liver" else head(drawn, voxel_mm=size[0])
        patient = simulate_follow_up(
            body, drawn, visits=visits, lesions=lesions, shift_mm=0.0, images=True
        )
        _write_patient(out, who, body, patient)
        truth += _true_lesions(who, patient)
        responses += [
            {"participant_id": who, "session": visit.session, "response": response}
            for visit, response in zip(patient.visits[1:], patient.responses, strict=True)
        ]
        progress(patients)
    rng = np.random.default_rng([seed, 0])
    write_table(
        pd.DataFrame(
            {
                "participant_id": [f"sub-{number:02d}" for number in range(1, patients + 1)],
                "age": rng.integers(45, 80, patients),
                "sex": rng.choice(["F", "M"], patients),
            }
        ),
        out / "participants.tsv",
    )
    write_table(pd.DataFrame(truth), out / TRUTH / "lesions.tsv")
    columns = ["participant_id", "session", "response"]
    write_table(pd.DataFrame(responses, columns=columns), out / TRUTH / "responses.tsv")


def _write_patient(out: Path, who: str, body: Body, patient: SimulatedPatient) -> None:
    datatype, suffix = ("ct", "ct") if body.kind == "liver" else ("anat", "T1w")
    for visit in patient.visits:
        entities = {
            "sub": who.removeprefix("sub-"),
            "ses": visit.session.removeprefix("ses-"),
            "ce": AGENT[body.kind],
        }
        folder = out / who / visit.session / datatype
        if visit.image is not None:
            save_image(visit.image, patient.affine, folder / bids_name(entities, suffix, ".nii.gz"))
        marked = {**entities, "label": "lesion"}
        save_image(visit.labels, patient.affine, folder / bids_name(marked, "dseg", ".nii.gz"))
        organ = "liver" if body.kind == "liver" else "brain"
        labels = [{"index": b.label, "name": f"lesion {b.label}", "organ": organ}
                  for b in visit.bodies]  # fmt: skip
        table = pd.DataFrame(labels, columns=["index", "name", "organ"])
        write_table(table, folder / bids_name(marked, "dseg", ".tsv"))
    times = [(_FIRST_VISIT + timedelta(days=visit.day)).isoformat() for visit in patient.visits]
    sessions = pd.DataFrame(
        {"session_id": [visit.session for visit in patient.visits], "acq_time": times}
    )
    write_table(sessions, out / who / f"{who}_sessions.tsv")


def _true_lesions(who: str, patient: SimulatedPatient) -> Iterator[dict[str, object]]:
    for visit in patient.visits:
        for body in visit.bodies:
            yield {
                "participant_id": who,
                "session": visit.session,
                "label": body.label,
                "lesions": "+".join(body.lesions),
                "longest_mm": round(body.longest_mm, 3),
                "short_mm": round(body.short_mm, 3),
                "volume_ml": round(body.volume_ml, 4),
            }


def _write_description(out: Path, organ: Organ, patients: int) -> None:
    write_json(
        {
            "Name": "Simulated lesions over time with known truth",
            "BIDSVersion": "1.10.0",
            "DatasetType": "raw",
            "License": "CC0",
            "Authors": ["Commissure's simulator"],
            "GeneratedBy": [{"Name": "commissure simulate", "Version": __version__}],
        },
        out / "dataset_description.json",
    )
    write_text(_README.format(organ=organ, n=patients), out / "README.md")


_README = """# Simulated lesions over time

{n} patients who do not exist, with lesions in the {organ} at several visits. Nothing here says
anything about patients. What was planted lies in `sourcedata/truth/`:

- `parameters.json`: the request; the same request gives the same bytes
- `lesions.tsv`: diameters and volumes of every body of the masks, without voxels
- `responses.tsv`: overall response (RECIST 1.1) of these diameters

Masks (`label-lesion_dseg`) and CT (`ct/`) are not in BIDS yet.
"""
