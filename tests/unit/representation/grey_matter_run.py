"""A run's output folder with grey matter of people who are the template, moved and aged."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd

from commissure.images.anat_files import AnatFiles
from commissure.images.template import TEMPLATE, template
from commissure.images.transforms import write_warp
from commissure.names import Scan
from commissure.rows import Marker, write_markers

#: Where a person lies beside the template, mm.
SHIFT_MM = np.array([11.0, -6.0, 4.0])


def lay_person(out, person, gm, *, affine, space=TEMPLATE, scale=1.0, session=""):
    """Derivatives of a T1w image whose space is the template's, scaled and moved."""
    folder = out.joinpath(*[part for part in (person, session) if part], "anat")
    folder.mkdir(parents=True)
    entities = {"sub": person.removeprefix("sub-")}
    entities |= {"ses": session.removeprefix("ses-")} if session else {}
    files = AnatFiles.of(Scan(folder, entities, "T1w"), folder, template=space)
    to_person = np.diag([scale, scale, scale, 1.0])
    to_person[:3, 3] = SHIFT_MM
    own = nib.Nifti1Image(gm.astype(np.float32), to_person @ affine)
    for path in (files.preproc, files.mask, files.dseg, *files.tissues):
        nib.save(own, path)
    nowhere = np.zeros((3, 2, 2, 2), np.float32)
    write_warp(nowhere, np.eye(4), files.to_template, before=to_person)
    write_warp(nowhere, np.eye(4), files.from_template, before=np.linalg.inv(to_person))
    return files


def run_folder(out, people=20, seed=0, space=TEMPLATE, spoil=None):
    """People whose grey matter thins with age; ``spoil`` changes the one of a number."""
    rng = np.random.default_rng(seed)
    image = template("GM", resolution_mm=8.0)
    ages = rng.uniform(20, 70, people)
    names = [f"sub-{n:02d}" for n in range(people)]
    for number, (name, age) in enumerate(zip(names, ages, strict=True)):
        grown = image.get_fdata() * (1.1 - 0.005 * age) * (1 + 0.03 * rng.normal(size=image.shape))
        gm = np.clip(grown, 0, 1)
        if spoil:
            gm = spoil(number, gm, image.affine)
        lay_person(out, name, gm, affine=image.affine, space=space)
    rows = [Marker(name, "", "anat", "GM", "volume", 6e5, "mm3") for name in names]
    write_markers(rows, out / "markers.tsv")
    pd.DataFrame({
        "participant_id": names, "age": ages, "site": "a",
        "group": np.where(np.arange(people) % 5, "control", "patient"),
    }).to_csv(out / "participants.tsv", sep="\t", index=False)  # fmt: skip
    return names, ages
