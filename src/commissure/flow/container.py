"""A batch of people through a program in a container, whose tree two modalities read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from commissure.dataset.index import read_entries
from commissure.derivatives import Derivatives
from commissure.engines.containers.fmriprep import Folders, run_person
from commissure.engines.containers.settings import FmriprepSettings
from commissure.engines.trees.anatomy import AdoptedAnat, adopt_anatomy
from commissure.engines.trees.bold import AdoptedFunc, adopt_bold
from commissure.engines.trees.settings import TreeSettings
from commissure.engines.trees.tree import sources_of
from commissure.errors import DatasetError
from commissure.flow.batch import run_batch
from commissure.flow.job import Job
from commissure.names import Scan

#: What takes the tree over, and the files that it leaves, by modality: the anatomy first.
_TAKES_OVER: dict[str, tuple[Callable[..., None], type[Derivatives]]] = {
    "anat": (adopt_anatomy, AdoptedAnat),
    "func": (adopt_bold, AdoptedFunc),
}


def run_fmriprep(job: Job, *, threads: int, mem_mb: int) -> None:
    """Run fMRIPrep for everybody of a batch, and take over what it left.

    A person whose run fails is told with the program's own last words, and the others go on.

    Parameters
    ----------
    job
        Has the manifest as ``input.manifest``, a status table by modality as outputs, and
        ``bids_dir``, ``output_dir``, ``settings`` (of the tree), ``fmriprep``, ``modalities`` and
        ``code`` as parameters.
    threads, mem_mb
        What the scheduler gave to the job.
    """
    settings = FmriprepSettings(**job.params.fmriprep)
    out = Path(job.params.output_dir)
    folders = Folders(
        Path(job.params.bids_dir), Path(job.params.settings["tree"]), out / "work" / "fmriprep",
        out / "logs" / "fmriprep",
    )  # fmt: skip
    modalities = [name for name in _TAKES_OVER if name in job.params.modalities]
    entries = read_entries(Path(job.input.manifest))
    wanted = [e for e in entries if e.used and e.modality in _TAKES_OVER]
    causes: dict[str, str] = {}
    for person in sorted({e.participant_id for e in wanted if e.modality in modalities}):
        job.say(f"fmriprep {person}")
        causes[person] = run_person(
            person,
            settings,
            folders,
            inputs=sorted(e.fingerprint for e in wanted if e.participant_id == person),
            threads=threads,
            mem_mb=mem_mb,
            anat_only=modalities == ["anat"],
        )
    for modality in modalities:
        compute, files = _TAKES_OVER[modality]
        run_batch(
            job,
            modality=modality,
            step="preprocess",
            compute=_unless_failed(compute, causes),
            settings_type=TreeSettings,
            files=files,
            status=getattr(job.output, modality),
            sources=sources_of(modality),
        )


def _unless_failed(compute: Callable[..., None], causes: dict[str, str]) -> Callable[..., None]:
    """What takes an image over, but for people whose run failed."""

    def taken_over(scan: Scan, folder: Path, **inputs: Any) -> None:
        if cause := causes.get(scan.participant_id):
            raise DatasetError(
                scan.who, found=cause, mend="Look into its log; the next run goes on from there"
            )
        compute(scan, folder, **inputs)

    return taken_over
