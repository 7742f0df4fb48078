"""What ``commissure validate`` costs on a large dataset: CPU seconds and memory.

    python benchmarks/validate.py FOLDER [--people 5000] [--bids]

Lays out a dataset of 16 files a person in FOLDER (kept, and used again): small images with sidecars,
gradient tables and spectra that are in order. ``--bids`` runs the BIDS validator apart and prints
its cost. One thread.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from commissure.phantom.request import chosen_request
from commissure.phantom.simulate import simulate

#: Voxels along each axis of the images: headers are read, no voxel.
EDGE = 4


def lay_out(bids: Path, people: int) -> int:
    """Write the dataset by the example of one simulated person; the number of files."""
    example = bids.parent / "example"
    if not example.exists():
        alone = {"cohort.subjects": 1, "cohort.sites": 1, "cohort.missing": 0.0}
        simulate(example, chosen_request("tiny", alone))
    person = next(example.glob("sub-*"))
    for image in person.glob("*/*.nii.gz"):
        whole = nib.load(image)
        if image.name.endswith(("_svs.nii.gz", "_mrsref.nii.gz")):
            continue
        shape = tuple(min(n, EDGE) for n in whole.shape[:3]) + whole.shape[3:]
        small = type(whole)(np.zeros(shape, np.int16), whole.affine, whole.header)
        small.set_data_dtype(np.int16)
        nib.save(small, image)
    bids.mkdir(parents=True)
    shutil.copy(example / "dataset_description.json", bids)
    rows = ["participant_id\tage"]
    for number in range(people):
        who = f"sub-{number:05d}"
        rows.append(f"{who}\t{20 + number % 40}")
        for file in person.glob("*/*"):
            target = bids / who / file.parent.name / file.name.replace(person.name, who)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    (bids / "participants.tsv").write_text("\n".join(rows) + "\n")
    return sum(1 for _ in bids.glob("sub-*/*/*"))


def cost(command: list[str]) -> tuple[float, float, str]:
    """CPU seconds, peak memory (GB) of this command alone, and what it said."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        _, _, used = os.wait4(process.pid, 0)
        output.seek(0)
        return used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6, output.read()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--bids", action="store_true", help="the BIDS validator, too")
    asked = parser.parse_args()
    bids = asked.folder / f"bids-{asked.people}"
    start = time.monotonic()
    count = sum(1 for _ in bids.glob("sub-*/*/*")) if bids.exists() else lay_out(bids, asked.people)
    print(f"{asked.people} people, {count} files (laid out in {time.monotonic() - start:.0f} s)")
    command = [sys.executable, "-m", "commissure.cli", "validate", str(bids), "--json"]
    cpu_s, memory, said = cost([*command, "--no-bids"])
    told = json.loads(said)
    images = {modality: plan["images"] for modality, plan in told["plan"].items()}
    print(f"without the BIDS validator  {cpu_s:7.1f} CPU s  {memory:5.2f} GB   "
          f"{told['errors']} errors, images {images}")  # fmt: skip
    if asked.bids:
        program = Path(sys.executable).parent / "bids-validator-deno"
        cpu_s, memory, said = cost(
            [str(program), "--json", "--max-rows", "-1", "--ignoreWarnings", str(bids)]
        )
        issues = json.loads(said)["issues"]["issues"]
        errors = sum(issue["severity"] == "error" for issue in issues)
        print(f"the BIDS validator alone    {cpu_s:7.1f} CPU s  {memory:5.2f} GB   "
              f"{errors} errors, {len(said) / 1e6:.0f} MB of issues")  # fmt: skip


if __name__ == "__main__":
    main()
