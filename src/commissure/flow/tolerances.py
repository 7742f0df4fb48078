"""Measuring a few people again with their inputs moved by the last digit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import yaml

from commissure.compare.last_digit import move_image
from commissure.engines.registry import TREES
from commissure.errors import DatasetError
from commissure.files import write_text
from commissure.outputs import MARKERS


def copy_moved(bids: Path, people: Sequence[str], target: Path, seed: int) -> None:
    """Copy people of a dataset, every image and spectrum moved by one step of its storage.

    Parameters
    ----------
    bids
        The dataset.
    people
        With the prefix ``sub-``.
    target
        Folder to write.
    seed
        With the name of each file it gives the directions, so that a copy can be made again.
    """
    target.mkdir(parents=True, exist_ok=True)
    for path in bids.iterdir():
        if path.is_file():
            shutil.copy2(path, target / path.name)
    for person in people:
        for path in sorted((bids / person).rglob("*")):
            name = path.relative_to(bids)
            if not path.is_file():
                continue
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            if path.name.endswith((".nii", ".nii.gz")):
                random = np.random.default_rng([seed, zlib.crc32(name.as_posix().encode())])
                move_image(path, target / name, random)
            else:
                shutil.copy2(path, target / name)


def configuration(settings: Mapping[str, Any], bids: Path, output_dir: Path) -> dict[str, Any]:
    """The configuration of a repetition: the same options on the moved inputs, images alone.

    What other tools have preprocessed is not measured again: its inputs are not these images.
    """
    repeated = [m for m in settings["modalities"] if settings[m]["engine"] != TREES]
    others = set(settings["modalities"]) - set(repeated)
    options = {key: value for key, value in settings.items() if key not in others}
    participants = dict(settings["participants"])
    if participants.get("file"):
        participants["file"] = str(Path(participants["file"]).absolute())
    return {
        **options,
        "bids_dir": str(bids.absolute()), "output_dir": str(output_dir.absolute()),
        "modalities": repeated, "batch_size": None, "participants": participants,
        "tables": [], "ingress": [], "treatments": {},
    }  # fmt: skip


def measure_again(
    table: Path,
    *,
    settings: Mapping[str, Any],
    people: Sequence[str],
    seed: int,
    snakefile: Path,
    cores: int,
    log: TextIO,
) -> None:
    """Run the workflow up to ``markers.tsv`` on moved inputs.

    Parameters
    ----------
    table
        The marker table to write; the run goes on beside it and is removed when it has ended.
    settings
        The checked configuration as plain values, by the names of the file.
    people
        Who is measured.
    seed
        Of this repetition.
    snakefile
        The workflow.
    cores
        Jobs at once.
    log
        Where the workflow writes.

    Raises
    ------
    DatasetError
        The study has no dataset, or the workflow did not reach its end.
    """
    if settings["bids_dir"] is None or not people:
        raise DatasetError(
            "tolerances",
            found="there are no images to be measured again",
            wanted="a BIDS dataset under bids_dir",
            mend="Measure the tolerances in a study of images",
        )
    place = table.parent / "run"
    bids, output_dir = place / "bids", place / "out"
    copy_moved(Path(settings["bids_dir"]), people, bids, seed)
    config = place / "study.yaml"
    write_text(yaml.safe_dump(configuration(settings, bids, output_dir)), config)
    command = [
        sys.executable, "-m", "snakemake", "--snakefile", str(snakefile.absolute()),
        "--directory", str(place.absolute()), "--configfile", str(config.absolute()),
        "--cores", str(cores), "--until", "markers",
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=place, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        env={key: v for key, v in os.environ.items() if key != "SNAKEMAKE_PROFILE"}, check=False,
    )  # fmt: skip
    print(done.stdout, done.stderr, sep="\n", file=log)
    if done.returncode:
        raise DatasetError(
            "tolerances",
            found="the workflow did not reach its end on the moved inputs",
            mend="See the log of tolerance_repeat",
        )
    shutil.copyfile(output_dir / MARKERS.path, table)
    shutil.rmtree(place)
