"""CPU seconds that one person's run takes through the rules of BOLD.

    python benchmarks/bold_cost.py FOLDER [--preset clinical] [--set func.volumes=240]

One simulated person (`clinical`: 240 volumes of 3 mm, a field map, a T1w image of 1 mm) goes through both
steps as the workflow's jobs do, each in a process of its own, so that start and imports count. The T1w image is
preprocessed once and not counted; it and the images stay in FOLDER.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

from commissure.anat.builtin.preprocess import preprocess as preprocess_anat
from commissure.anat.settings import AnatSettings
from commissure.dataset.index import build_index
from commissure.dataset.tree import tree_of
from commissure.func.builtin.preprocess import preprocess
from commissure.func.measure import measure
from commissure.func.settings import FuncSettings
from commissure.images.anat_files import AnatFiles
from commissure.names import Scan
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.dataset import write_person
from commissure.phantom.protocol import chosen_protocol

STEPS = {"preprocess": preprocess, "measure": measure}


def main() -> None:
    """Print CPU seconds and peak memory of both steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--preset", default="clinical")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "--step", choices=STEPS, help="do one step, as each process of its own does"
    )
    given = parser.parse_args()
    changes = {name: float(value) for name, value in (pair.split("=") for pair in given.set)}
    dataset, out = given.folder / "bids", given.folder / "out"
    if given.step is None:
        simulated(dataset, given.preset, changes)
    scans = {e.modality: e.scan_in(dataset) for e in build_index(dataset, tree_of(dataset))}
    anat = AnatFiles.of(scans["anat"], out / "anat")
    if given.step:
        one_step(given.step, scans["func"], out / "func", anat)
        return
    if not anat.complete():
        (out / "anat").mkdir(parents=True, exist_ok=True)
        preprocess_anat(scans["anat"], out / "anat", settings=AnatSettings())
    total = 0.0
    for step in STEPS:
        before, start = used(), time.monotonic()
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--step", step], check=True)
        cpu_s = used() - before
        total += cpu_s
        peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(
            f"{step}: {cpu_s:.1f} CPU s, {time.monotonic() - start:.1f} s, at most {peak_mb:.0f} MB"
        )
    print(f"one person: {total:.1f} CPU s")


def used() -> float:
    """CPU seconds of the processes that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def simulated(dataset: Path, preset: str, changes: dict[str, float]) -> None:
    """Write the person, unless there."""
    request = CohortRequest(controls=1, responsive=0, resistant=0, sites=1, missing=0.0, seed=4)
    [person] = draw_cohort(request)
    if not (dataset / person.participant_id).is_dir():
        who = replace(person, modalities=frozenset({"anat", "func"}))
        write_person(dataset, who, chosen_protocol(preset, changes))


def one_step(step: str, scan: Scan, folder: Path, anat: AnatFiles) -> None:
    """One step of the run, with the settings as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    STEPS[step](scan, folder, anat=anat, settings=FuncSettings())


if __name__ == "__main__":
    main()
