"""Results of other tools: values of their real files beside the markers, and the cost of a cohort.

    python benchmarks/ingress.py [DATA] [--people 5000]

``DATA`` is the folder with ``derivatives`` and ``tables`` of real outputs. A line gives a file, what
stands in it, and the marker that is made of it. Of tools without a real output the file is one that
is written here as their documentation shows it. ``--people`` persons of FreeSurfer, written here, are then listed as planning does, read and
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
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from tests.tool_results import (
    SPANT,
    SYNTHSEG,
    cat12_subject,
    fslmrs_fit,
    osprey_of_study,
    read_tool,
    spant_table,
    synthseg_tables,
    values_of,
)
from tests.tool_trees import freesurfer_subject

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


@dataclass(frozen=True)
class Value:
    """A value on its way: the file, what stands in it, and what is made of it."""

    file: str
    told: str
    marker: str
    value: float
    factor: float = 1.0

    def line(self, kind: str) -> str:
        """A line of the table; ``factor`` converts the file's unit."""
        same = "equal" if np.isclose(float(self.told) * self.factor, self.value, rtol=1e-12) else (
            "DIFFERENT"
        )  # fmt: skip
        told = f"{self.told} x {self.factor:g}" if self.factor != 1 else self.told
        return f"{kind:8s} {self.file:62s} {told:>20s}  {self.marker:36s} {self.value:.10g}  {same}"


def real_values(data: Path) -> Iterator[Value]:
    """Of the files that tools themselves wrote."""
    derivatives = data / "derivatives"
    for tool, folder, file, where, marker, region in CASES:
        name, column = where.split()
        person = next((part for part in Path(file).parts if part.startswith("sub-")), "sub-50137")
        found = values_of(read_tool(tool, derivatives / folder), person)
        told = cell(derivatives / folder / file, name, int(column))
        value = found[marker, region]
        yield Value(f"{folder}/{file}", told, f"{marker} {region}", value)
    yield from _halfpipe(derivatives / "halfpipe-ds000030")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(derivatives / "lcmodel/svs_97.TABLE", Path(folder) / "sub-01_voi-ACC.TABLE")
        found = values_of(read_tool("lcmodel", Path(folder)))
    with (derivatives / "lcmodel/svs_97.CSV").open() as file:
        told = {key.strip(): value.strip() for key, value in next(csv.DictReader(file)).items()}
    for marker, name in (("lcmodel_glu", "Glu"), ("lcmodel_gsh_tcr", "Glth/Cr+PCr")):
        yield Value(
            "lcmodel/svs_97.TABLE (.CSV)", told[name], f"{marker} ACC", found[marker, "ACC"]
        )
    with tempfile.TemporaryDirectory() as folder:
        table = data / "tables/mrs-reliability-osprey/long_format.csv"
        cells = osprey_of_study(table, Path(folder))
        found = values_of(read_tool("osprey", Path(folder)), "sub-01")
        sessions = {who for who, _, _ in cells if who.startswith("sub-01")}
    # Two visits of one person have the same keys here: the last is shown.
    row = cells[max(sessions), "ul", "Glu"]
    for column, marker in (("tissue", "osprey_glu"), ("tCr", "osprey_glu_tcr")):
        yield Value(
            f"mrs-reliability-osprey/long_format.csv ({max(sessions)})", row[column],
            f"{marker} ul", found[marker, "ul"],
        )  # fmt: skip


def _halfpipe(base: Path) -> Iterator[Value]:
    """A network's mean of its matrix, made of the file's cells here."""
    labels = base / "atlas/atlas-Schaefer2018Combined_dseg.tsv"
    result = read_tool("halfpipe", base / "derivatives/halfpipe", labels=str(labels))
    path = next(base.glob("derivatives/halfpipe/sub-10159/**/*_desc-correlation_matrix.tsv"))
    names = [line.split("\t")[1] for line in labels.read_text().splitlines()]
    inside = [number for number, name in enumerate(names) if "_VisCent_" in name]
    z = np.arctanh(np.genfromtxt(path)[np.ix_(inside, inside)][np.triu_indices(len(inside), 1)])
    value = values_of(result, "sub-10159")["halfpipe_fc", "VisCent"]
    file = "halfpipe-ds000030 ... desc-correlation_matrix.tsv"
    yield Value(file, repr(float(np.nanmean(z))), "halfpipe_fc VisCent", value)


def written_values() -> Iterator[Value]:
    """Of files that are written here as the tools' documentation shows them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        synthseg_tables(folder / "synthseg", {"sub-01_T1w": 0.8})
        cat12_subject(folder / "cat12", "sub-01_T1w")
        fslmrs_fit(folder / "fslmrs/sub-01_voi-ACC")
        spant_table(folder / "spant/sub-01_voi-ACC/fit_res_molal_conc.csv", scale=2e5)
        (folder / "xcpd").mkdir()
        matrix = "sub-01_task-rest_space-fsLR_seg-4S156Parcels_stat-pearsoncorrelation_relmat.tsv"
        (folder / "xcpd" / matrix).write_text(
            "Node\tLH_Vis_1\tLH_Vis_2\nLH_Vis_1\t1.0\t0.5\nLH_Vis_2\t0.5\t1.0\n"
        )
        of = {tool: values_of(read_tool(tool, folder / tool)) for tool in
              ("synthseg", "cat12", "fslmrs", "spant", "xcpd")}  # fmt: skip
    for file, told, tool, marker, region, factor in (
        ("SynthSeg volumes.csv", SYNTHSEG["left hippocampus"], "synthseg", "synthseg_volume",
         "Hippocampus_L", 1.0),
        ("CAT12 report/cat_sub-01_T1w.xml", 1512.5, "cat12", "lab_head_size", "TIV", 1000.0),
        ("CAT12 label/catROI_sub-01_T1w.xml", 3.4512, "cat12", "cat12_volume", "Hippocampus_L",
         1000.0),
        ("FSL-MRS summary.csv", 11.5, "fslmrs", "fslmrs_glu", "ACC", 1.0),
        ("spant fit_res_molal_conc.csv", SPANT["Glu"][0] * 2e5, "spant", "spant_glu", "ACC", 1.0),
        ("XCP-D stat-pearsoncorrelation_relmat.tsv", float(np.arctanh(0.5)), "xcpd", "xcpd_fc",
         "Vis", 1.0),
    ):  # fmt: skip
        yield Value(file, repr(told), f"{marker} {region}", of[tool][marker, region], factor)


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
        for value in real_values(asked.data):
            print(value.line("real"))
    for value in written_values():
        print(value.line("written"))
    listing, reading, memory = cost(asked.people)
    print(f"{asked.people} people of FreeSurfer: listed in {listing:.2f}, read and written in "
          f"{reading:.2f} CPU s, {memory:.2f} GB")  # fmt: skip


if __name__ == "__main__":
    main()
