"""What it costs to plan a large study: CPU seconds of ``snakemake -n``.

``python benchmarks/planning.py FOLDER [--people 5000] [--finished]`` lays out a dataset of empty
files with all modalities in FOLDER (kept, and used again) and plans its run. With ``--finished``
every step of every image has a status table that names its files, which lie there, so that
planning also looks for lost ones. ``--snakefile`` plans with another checkout, by its own library.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

from commissure.flow.refresh import refresh_index
from commissure.modalities import MODALITIES

#: Files of one image and step, about as many as the built-in engine writes.
FILES = 6


def lay_out(bids: Path, people: int) -> None:
    """Empty files of a dataset in which everybody has everything."""
    bids.mkdir(parents=True)
    (bids / "dataset_description.json").write_text('{"Name": "large", "BIDSVersion": "1.10.0"}')
    rows = ["participant_id\tage\tsex\tsite\tgroup"]
    for number in range(1, people + 1):
        who = f"sub-{number:05d}"
        rows.append(f"{who}\t30\tF\tA\tpatient")
        for modality, names in {
            "anat": ["T1w.nii.gz", "T1w.json"],
            "func": ["task-rest_bold.nii.gz", "task-rest_bold.json"],
            "dwi": ["dwi.nii.gz", "dwi.json", "dwi.bval", "dwi.bvec"],
            "mrs": ["voi-ACC_svs.nii.gz", "voi-ACC_svs.json",
                    "voi-ACC_mrsref.nii.gz", "voi-ACC_mrsref.json"],
        }.items():  # fmt: skip
            folder = bids / who / modality
            folder.mkdir(parents=True)
            for name in names:
                (folder / f"{who}_{name}").touch()
    (bids / "participants.tsv").write_text("\n".join(rows) + "\n")


def finish(bids: Path, out: Path) -> None:
    """Status tables of every step and the empty files that they name."""
    from commissure.markers.status import Status, write_statuses

    entries = refresh_index(bids, out / "work", batch_size=16)
    for step in ("preprocess", "measure"):
        tables: dict[tuple[str, int], list[Status]] = {}
        for entry in entries:
            folder = out / entry.participant_id / entry.modality
            folder.mkdir(parents=True, exist_ok=True)
            stem = entry.scan.rsplit("/", 1)[-1].split(".")[0]
            files = {f"{stem}_desc-{step}{n}_file.nii.gz": 0 for n in range(FILES)}
            for name in files:
                (folder / name).touch()
            row = Status(
                entry.participant_id, entry.session, entry.modality, entry.scan, step, "present",
                files=files,
            )  # fmt: skip
            tables.setdefault((entry.modality, entry.batch), []).append(row)
        for (modality, batch), rows in tables.items():
            path = out / f"work/status/{modality}_{step}/batch-{batch:04d}.tsv"
            write_statuses(rows, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--finished", action="store_true")
    parser.add_argument("--snakefile", type=Path, default=Path(__file__).parents[1] / "Snakefile")
    asked = parser.parse_args()
    folder = asked.folder.resolve()
    if not (folder / "bids").exists():
        lay_out(folder / "bids", asked.people)
    out = folder / ("finished" if asked.finished else "planned")
    if asked.finished and not out.exists():
        finish(folder / "bids", out)
    study = folder / f"{out.name}.yaml"
    study.write_text(f"bids_dir: {folder / 'bids'}\noutput_dir: {out}\nbatch_size: 16\n")
    command = [
        str(Path(sys.executable).parent / "snakemake"), "-n", "--quiet", "all", "--cores", "2",
        "--snakefile", str(asked.snakefile.resolve()), "--directory", str(folder), "--configfile",
        str(study),
    ]  # fmt: skip
    source = asked.snakefile.resolve().parent / "src"
    for run in ("first", "again"):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            command, check=True, env={**os.environ, "PYTHONPATH": str(source)},
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        entries = (out / "work/index.tsv").read_text().count("\n") - 1
        print(f"{run}: {spent:.1f} CPU s for {entries} images of {len(MODALITIES)} modalities")


if __name__ == "__main__":
    main()
