"""fMRIPrep: the command line of one person."""

from __future__ import annotations

import sys
from pathlib import Path

from commissure.engines.containers.program import (
    Folders,
    Offered,
    Person,
    Program,
    apptainer,
    shared_options,
)
from commissure.engines.containers.settings import FmriprepSettings


def command(
    person: Person, settings: FmriprepSettings, folders: Folders, offered: Offered
) -> list[str]:
    """The command line of one person.

    Parameters
    ----------
    person
        Whom it is for.
    settings
        How it is run.
    folders
        Where.
    offered
        What the scheduler gave to the job.

    Returns
    -------
    list of str
        Of ``fmriprep-docker``, or of Apptainer.
    """
    options = [
        *shared_options(person, settings, offered),
        *(() if settings.surfaces else ("--fs-no-reconall",)),
        *(("--anat-only",) if person.asked == {"anat"} else ()),
        *settings.options,
        "--output-spaces", settings.output_space,
    ]  # fmt: skip
    if settings.via == "apptainer":
        return [*apptainer(person, settings, folders), *options]
    places = (folders.bids, folders.tree, folders.work / person.name)
    bids, tree, work = (str(path.resolve()) for path in places)
    # TemplateFlow lies inside the image: the wrapper maps no other folder.
    return [
        str(Path(sys.executable).parent / "fmriprep-docker"), bids, tree, "participant", "--no-tty",
        "-i", settings.image, "-w", work,
        "--fs-license-file", str(Path(settings.license or "").resolve()),
        "-e", "OMP_NUM_THREADS", "1", *options,
    ]  # fmt: skip


FMRIPREP = Program(
    name="fmriprep",
    title="fMRIPrep",
    serves=("anat", "func"),
    reads=("anat", "func"),
    options={
        "--output-spaces": "fmriprep.output_space",
        "--fs-no-reconall": "fmriprep.surfaces",
        "--anat-only": "anat.engine and func.engine",
    },
    command=command,
)
