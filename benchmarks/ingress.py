"""Results of other tools: values of their real files beside the markers, and the cost of a cohort.

    python benchmarks/ingress.py [DATA] [--people 5000]

``DATA`` is the folder of real outputs. A line gives a file, what stands in it, and the marker that is
made of it. ``--people`` persons of FreeSurfer, written here, are then listed as planning does, read and
written as rows; CPU seconds of both. One thread.
"""

from __future__ import annotations

import argparse
import csv
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.tool_trees import freesurfer_subject

from commissure.engines.ingress.read import ingested
from commissure.engines.ingress.registry import TOOLS
from commissure.engines.ingress.settings import IngressSettings
from commissure.markers.ingress import write_ingested

#: Tool, folder below the data, file below that, how a value stands in it, marker and region.
CASES = (
    ("freesurfer", "freesurfer/freesurfer-7.0.0", "sub-fs70/stats/aseg.stats", "Left-Hippocampus 3",
     "fs_volume", "Hippocampus_L"),
    ("freesurfer", "freesurfer/freesurfer-7.0.0", "sub-fs70/stats/aseg.stats", "Right-Accumbens-area 3",
     "fs_volume", "Accumbens_R"),
    ("freesurfer", "freesurfer/freesurfer-7.0.0", "sub-fs70/stats/lh.aparc.stats", "superiorfrontal 4",
     "fs_thickness", "superiorfrontal_L"),
    ("freesurfer", "freesurfer/freesurfer-7.0.0", "sub-fs70/stats/rh.aparc.stats", "insula 2",
     "fs_area", "insula_R"),
    ("freesurfer", "freesurfer/freesurfer-6.0", "sub-fs60b/stats/aseg.stats", "Left-Hippocampus 3",
     "fs_volume", "Hippocampus_L"),
    ("fastsurfer", "fastsurfer/fastsurfer-2.3.0dev", "sub-oas0001/stats/aseg.stats",
     "Left-Hippocampus 3", "fastsurfer_volume", "Hippocampus_L"),
    ("mriqc", "mriqc/mriqc-testdata", "group_T1w.tsv", "sub-50137_T1w 1", "mriqc_cjv", "brain"),
)  # fmt: skip


def cell(path: Path, name: str, column: int) -> str:
    """A cell of the row that names a structure or an image."""
    for line in path.read_text().splitlines():
        cells = line.split()
        if name in cells and not line.startswith("#"):
            return cells[column]
    raise LookupError(f"{path.name} has no row of {name}")


def real_values(data: Path) -> Iterator[tuple[str, str, str, float]]:
    """File, value as it stands in it, marker, and value of the marker."""
    for tool, folder, file, where, marker, region in CASES:
        name, column = where.split()
        person = next((part for part in Path(file).parts if part.startswith("sub-")), "sub-50137")
        rows = ingested(IngressSettings(tool=tool, folder=str(data / folder))).rows
        value = next(
            r.value
            for r in rows
            if (r.participant_id, r.marker, r.region) == (person, marker, region)
        )
        yield (
            f"{folder}/{file}",
            cell(data / folder / file, name, int(column)),
            f"{marker} {region}",
            value,
        )
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(data / "lcmodel/svs_97.TABLE", Path(folder) / "sub-01_voi-ACC.TABLE")
        rows = ingested(IngressSettings(tool="lcmodel", folder=folder)).rows
    with (data / "lcmodel/svs_97.CSV").open() as file:
        told = {key.strip(): value.strip() for key, value in next(csv.DictReader(file)).items()}
    for marker, name in (("lcmodel_glu", "Glu"), ("lcmodel_gsh_tcr", "Glth/Cr+PCr")):
        value = next(row.value for row in rows if row.marker == marker)
        yield "lcmodel/svs_97.TABLE (.CSV)", told[name], f"{marker} ACC", value


def cost(people: int) -> tuple[float, float, float]:
    """CPU seconds of listing and of reading, and the largest memory (GB)."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(people):
            freesurfer_subject(
                Path(folder) / "fs" / f"sub-{number:05d}", hippocampus=4000 + number % 700
            )
        settings = IngressSettings(tool="freesurfer", folder=f"{folder}/fs")
        start = time.process_time()
        for name in TOOLS["freesurfer"].files(settings):
            (Path(settings.folder) / name).stat()
        listed = time.process_time()
        write_ingested(settings, f"{folder}/rows.tsv", f"{folder}/record.json")
        read = time.process_time()
    return listed - start, read - listed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path, help="folder of real outputs of other tools")
    parser.add_argument("--people", type=int, default=5000)
    asked = parser.parse_args()
    if asked.data is not None:
        for file, told, marker, value in real_values(asked.data):
            same = "equal" if float(told) == value else "DIFFERENT"
            print(f"{file:60s} {told:>20s}  {marker:32s} {value:.10g}  {same}")
    listing, reading, memory = cost(asked.people)
    print(f"{asked.people} people of FreeSurfer: listed in {listing:.2f}, read and written in "
          f"{reading:.2f} CPU s, {memory:.2f} GB")  # fmt: skip


if __name__ == "__main__":
    main()
