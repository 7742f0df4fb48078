"""What a run will cost: by earlier runs where there are any, else by rough figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from commissure.engines.containers.settings import ContainerSettings
from commissure.flow.earlier import rows_of_modality
from commissure.flow.learnt import benchmark_rows

#: CPU seconds of an image by modality: fixed, and for a million of voxels and volumes; and
#: megabytes of memory. Measured on the built-in engine, one thread, on images of clinical
#: resolution; good to a factor of two.
ROUGH = {
    "anat": (20.0, 1.5, 1800.0),
    "func": (15.0, 1.0, 1200.0),
    "dwi": (15.0, 1.3, 1100.0),
    "mrs": (4.0, 0.0, 600.0),
    "lesion": (5.0, 1.0, 900.0),
}

#: Megabytes of an image's files by modality: fixed, and for a million of voxels and volumes. Fitted
#: to what simulated cohorts of three resolutions left, T1w also to three real heads, which compress
#: better: good to a factor of two for each.
ROUGH_DISK = {
    "anat": (8.0, 5.5),
    "func": (2.0, 0.92),
    "dwi": (0.3, 3.6),
    "mrs": (0.4, 0.0),
    "lesion": (0.2, 0.02),
}

#: An engine that takes files over computes next to nothing.
_TAKEN_OVER_CPU_S = 3.0


@dataclass(frozen=True)
class Cost:
    """What the images of a modality cost.

    Attributes
    ----------
    cpu_s
        CPU seconds of all images.
    memory_mb
        Largest memory of a job.
    disk_mb
        Derivatives of all images.
    basis
        What it was read off: ``earlier runs (12 images)`` or ``rough``.
    """

    cpu_s: float
    memory_mb: float
    disk_mb: float
    basis: str


def forecast(
    modality: str, voxels: Iterable[int], output_dir: Path, *, taken_over: bool = False
) -> Cost:
    """Forecast the cost of images.

    Parameters
    ----------
    modality
        Theirs.
    voxels
        Voxels and volumes of each image.
    output_dir
        The run's output folder, with the records of earlier runs.
    taken_over
        Whether an engine computes nothing, and takes derivatives over.
    """
    sizes = list(voxels)
    learnt = _learnt(modality, output_dir)
    if learnt is not None:
        cpu_s, memory_mb, disk_mb, count = learnt
        basis = f"earlier runs ({count} images)"
        return Cost(cpu_s * len(sizes), memory_mb, disk_mb * len(sizes), basis)
    fixed, slope, memory = ROUGH[modality]
    millions = [size / 1e6 for size in sizes]
    cpu_s = sum(
        (_TAKEN_OVER_CPU_S if taken_over else fixed) + (0 if taken_over else slope) * size
        for size in millions
    )
    largest = max(millions, default=0.0)
    return Cost(cpu_s, memory + 14 * largest, rough_disk_mb(modality, sizes), "rough")


def rough_disk_mb(modality: str, voxels: Iterable[int]) -> float:
    """Megabytes that the derivatives of images take, before any was computed."""
    least, files = ROUGH_DISK[modality]
    return sum(least + files * size / 1e6 for size in voxels)


def container_forecast(people: int, settings: ContainerSettings, *, shared: bool) -> Cost:
    """The most that people cost whom a program preprocesses in a container.

    Parameters
    ----------
    people
        How many.
    settings
        What each of them is given.
    shared
        Whether another modality of the same run of the program has been told already.
    """
    if shared:
        return Cost(0.0, 0.0, 0.0, "in the same run of the program")
    cpu_s = 60.0 * settings.runtime_min * settings.threads
    return Cost(
        people * cpu_s, settings.mem_mb, people * settings.disk_mb,
        "what its container is given, at most",
    )  # fmt: skip


def _learnt(modality: str, output_dir: Path) -> tuple[float, float, float, int] | None:
    """CPU seconds and megabytes of an image, and memory of a job, from earlier runs."""
    seconds: dict[str, float] = defaultdict(float)
    disk: dict[str, float] = defaultdict(float)
    for row in rows_of_modality(output_dir, modality):
        if row.state == "present":
            seconds[row.scan] += row.cpu_s
            disk[row.scan] += sum(row.files.values()) / 1e6
    if not seconds:
        return None
    memory = [
        value
        for table in sorted((output_dir / "benchmarks").glob(f"{modality}_*/batch-*.tsv"))
        for value, _ in benchmark_rows(table)
    ]
    return (
        median(seconds.values()),
        max(memory, default=ROUGH[modality][2]),
        median(disk.values()),
        len(seconds),
    )
