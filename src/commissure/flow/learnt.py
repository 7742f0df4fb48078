"""What a job asks for: by what earlier jobs of its rule used, where there are any.

Snakemake writes time and memory of every job to ``benchmarks/``, and each batch the CPU seconds of
its images to its status table. A second run of a study, or a study that grew, asks for what these
say and no longer for what a rule asks in the dark.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from commissure.markers.status import read_statuses

#: Share of earlier jobs or images that the figure must have sufficed for.
ENOUGH_FOR = 0.95
#: What is asked for beyond that: memory and time of the next job may be larger.
MEMORY_MARGIN, TIME_MARGIN = 1.3, 2.0
#: Least that is asked for, and the steps in which it is asked.
LEAST_MB, STEP_MB = 500, 100
#: Minutes that a job may spend on its start on a slow file system.
START_MIN = 5.0
#: Share of the CPU seconds of its images that a job must have taken to count.
SOME_WORK = 0.5
#: Earlier jobs of a rule that are looked at: of more, evenly spread ones.
MOST_JOBS = 200


@dataclass(frozen=True)
class Used:
    """What earlier jobs of a rule used.

    Attributes
    ----------
    peak_mb
        Peak memory of each job.
    job_s
        Wall seconds of each job.
    image_s
        CPU seconds of each image that was computed; empty for a rule of the whole study.
    """

    peak_mb: Sequence[float]
    job_s: Sequence[float]
    image_s: Sequence[float] = ()


class Learnt:
    """What to ask for, by rule and batch.

    Parameters
    ----------
    output_dir
        The run's output folder, with the records of earlier runs.
    images
        How many images each batch has, by modality and number of the batch.
    """

    def __init__(self, output_dir: Path, images: Mapping[tuple[str, str], int]) -> None:
        self.output_dir = output_dir
        self.images = images
        self._used = cache(self._read)

    def memory_mb(self, rule: str, batch: str | None, default: int) -> int:
        """Memory of a job; the default where none of its rule has run.

        A rule of the whole study never asks for less than its default: the study may have grown.

        Parameters
        ----------
        rule
            Its rule.
        batch
            Number of its batch, or None for a rule of the whole study.
        default
            What the rule asks for in the dark, MB.
        """
        peaks = self._used(rule).peak_mb
        if not peaks:
            return default
        wanted = quantile(peaks, ENOUGH_FOR) * MEMORY_MARGIN
        wanted = math.ceil(wanted / STEP_MB) * STEP_MB
        return max(LEAST_MB, wanted) if batch else max(default, wanted)

    def runtime_min(self, rule: str, batch: str | None, default: int) -> int:
        """Minutes of a job; the default where none of its rule has run.

        Of a batch they grow with its images. A rule of the whole study never asks for less than
        the default: more permutations or people take longer.
        """
        used = self._used(rule)
        if batch is None:
            return max([default, *(_minutes(seconds) for seconds in used.job_s)])
        count = self.images.get((rule.partition("_")[0], batch), 0)
        if not used.image_s or not count:
            return default
        return _minutes(quantile(used.image_s, ENOUGH_FOR) * count)

    def _read(self, rule: str) -> Used:
        status = self.output_dir / "work/status" / rule
        jobs, images = [], []
        for table in spread(sorted((self.output_dir / "benchmarks" / rule).glob("*.tsv"))):
            computed = _image_seconds(status / table.name)
            images += computed
            # A job that found most of its images done says nothing of one that computes them.
            jobs += [row for row in benchmark_rows(table) if row[1] >= SOME_WORK * sum(computed)]
        return Used([mb for mb, _ in jobs], [s for _, s in jobs], images)


def _minutes(seconds: float) -> int:
    return math.ceil(START_MIN + TIME_MARGIN * seconds / 60)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that suffices for a share of all."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(files: Sequence[Path]) -> Sequence[Path]:
    """At most :data:`MOST_JOBS` of the files, evenly spread."""
    step = max(1, math.ceil(len(files) / MOST_JOBS))
    return files[::step]


def benchmark_rows(table: Path) -> list[tuple[float, float]]:
    """Peak memory in MB and wall seconds that Snakemake noted of a job."""
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        return [
            (float(row["max_rss"]), float(row["s"]))
            for row in rows
            if row["max_rss"] not in ("-", "NA")
        ]
    except (OSError, KeyError, ValueError):
        return []


def _image_seconds(table: Path) -> list[float]:
    """CPU seconds of each image of a batch; none for a rule of the whole study."""
    if not table.is_file():
        return []
    try:
        rows = read_statuses(table)
    except (OSError, ValueError):
        return []
    return [row.cpu_s for row in rows if row.state == "present" and row.cpu_s > 0]
