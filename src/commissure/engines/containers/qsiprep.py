"""QSIPrep: the command line of one person."""

from __future__ import annotations

from pathlib import Path

from commissure.engines.containers.program import (
    Folders,
    Offered,
    Person,
    Program,
    apptainer,
    docker,
    read_json,
    shared_options,
)
from commissure.engines.containers.settings import QsiprepSettings
from commissure.files import write_json

#: What QSIPrep asks of FSL's eddy where no file says otherwise (its ``data/eddy_params.json``).
EDDY = {
    "flm": "linear",
    "slm": "linear",
    "fep": False,
    "interp": "spline",
    "nvoxhp": 1000,
    "fudge_factor": 10,
    "dont_sep_offs_move": False,
    "dont_peas": False,
    "niter": 5,
    "method": "jac",
    "repol": True,
    "num_threads": 1,
    "is_shelled": True,
    "use_cuda": False,
    "cnr_maps": True,
    "residuals": False,
    "output_type": "NIFTI_GZ",
    "args": "",
}

#: Where the program sees that file.
_INSIDE = "/eddy.json"


def command(
    person: Person, settings: QsiprepSettings, folders: Folders, offered: Offered
) -> list[str]:
    """The command line of one person; writes the options of eddy where they are not QSIPrep's.

    Parameters
    ----------
    person
        Whom it is for. Without a T1w image the series lies in no anatomical space.
    settings
        How it is run.
    folders
        Where.
    offered
        What the scheduler gave to the job; with a graphics processor eddy runs there.

    Returns
    -------
    list of str
        Of Docker, or of Apptainer.
    """
    gpu = offered.gpus > 0
    eddy = _eddy_file(person, settings, folders, gpu=gpu)
    outer = docker if settings.via == "docker" else apptainer
    return [
        *outer(person, settings, folders, binds={eddy: _INSIDE} if eddy else None, gpu=gpu),
        *shared_options(person, settings, offered),
        "--output-resolution", f"{settings.output_resolution_mm:g}",
        *(() if "anat" in person.images else ("--anat-modality", "none")),
        *(("--eddy-config", _INSIDE) if eddy else ()),
        *settings.options,
    ]  # fmt: skip


def _eddy_file(
    person: Person, settings: QsiprepSettings, folders: Folders, *, gpu: bool
) -> Path | None:
    """Options of eddy with those of the user; None where QSIPrep's are to hold."""
    if settings.eddy_config is None and not gpu:
        return None
    chosen = {} if settings.eddy_config is None else read_json(Path(settings.eddy_config))
    path = folders.work / f"{person.name}_eddy.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json({**EDDY, **chosen, "use_cuda": gpu}, path)
    return path


QSIPREP = Program(
    name="qsiprep",
    title="QSIPrep",
    serves=("dwi",),
    reads=("anat", "dwi"),
    options={
        "--output-resolution": "qsiprep.output_resolution_mm",
        "--anat-modality": "the images of a person",
        "--eddy-config": "qsiprep.eddy_config",
        "--gpu": "qsiprep.gpus",
    },
    command=command,
)
