"""What a job asks for: by what earlier jobs of its rule used, where there are any.

Snakemake writes time and memory of every job to ``benchmarks/``, and each batch the CPU seconds of
its images to its status table. A second run of a study, or a study that grew, asks for what these
say and no longer for what a rule asks in the dark.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import linear_regression

from commissure.dataset.index import Entry
from commissure.flow.earlier import rows_of

#: Share of earlier jobs or images that the figure must have sufficed for.
ENOUGH_FOR = 0.95
#: What is asked for beyond that: memory and time of the next job may be larger.
MEMORY_MARGIN, TIME_MARGIN = 1.3, 2.0
#: Least that is asked for, and the steps in which it is asked.
LEAST_MB, STEP_MB = 500, 100
#: The same where address space is limited: Snakemake alone takes 450 MB of it.
LEAST_ADDRESS_SPACE_MB = 1000
#: Minutes that a job may spend on its start on a slow file system.
START_MIN = 5.0
#: Share of the CPU seconds of its images that a job must have taken to count.
SOME_WORK = 0.5
#: From so many jobs on, whose largest images are so far apart, memory follows the size of images.
SEVERAL, APART = 3, 1.2
#: Earlier jobs of a rule that are looked at: of more, evenly spread ones.
MOST_JOBS = 200


@dataclass(frozen=True)
class Used:
    """What earlier jobs of a rule used.

    Attributes
    ----------
    peak_mb
        Peak memory, or address space, of each job.
    job_s
        Wall seconds of each job.
    image_s
        CPU seconds of each image that was computed; empty for a rule of the whole study.
    size_mb
        Largest image of each job, as it lies on the disk; 0 where there is none.
    """

    peak_mb: Sequence[float]
    job_s: Sequence[float]
    image_s: Sequence[float] = ()
    size_mb: Sequence[float] = ()

    def memory_mb(self, size: float, default: int) -> float:
        """Memory for a job with an image so large: along a line where earlier sizes show one.

        Parameters
        ----------
        size
            Largest image of the job, MB.
        default
            What is asked for at least where the image is larger than all before and nothing says
            how memory grows, MB.
        """
        flat = quantile(self.peak_mb, ENOUGH_FOR) * MEMORY_MARGIN
        if not size or not self.size_mb or not all(self.size_mb):
            return flat
        least, most = min(self.size_mb), max(self.size_mb)
        if len(self.size_mb) >= SEVERAL and most >= APART * least:
            slope, start = linear_regression(self.size_mb, self.peak_mb)
            if slope > 0:
                pairs = zip(self.size_mb, self.peak_mb, strict=True)
                above = quantile([peak - start - slope * at for at, peak in pairs], ENOUGH_FOR)
                return (start + slope * max(size, least) + max(above, 0.0)) * MEMORY_MARGIN
        return max(flat, default) if size > APART * most else flat


def images_of(entries: Iterable[Entry], root: Path | None) -> dict[tuple[str, str], list[Path]]:
    """The images of a dataset that are computed, by modality and number of the batch."""
    images: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for entry in entries:
        if entry.used and root is not None:
            images[entry.modality, f"{entry.batch:04d}"].append(root / entry.scan)
    return images


class Learnt:
    """What to ask for, by rule and batch.

    Parameters
    ----------
    output_dir
        The run's output folder, with the records of earlier runs.
    images
        Images of each batch, by modality and number of the batch.
    """

    def __init__(self, output_dir: Path, images: Mapping[tuple[str, str], Sequence[Path]]) -> None:
        self.output_dir = output_dir
        self.images = images
        self._used = cache(self._read)
        self._largest_mb = cache(self._look_at)

    def memory_mb(
        self, rule: str, batch: str | None, default: int, *, address_space: bool = False
    ) -> int:
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
        address_space
            Whether the scheduler limits address space, of which a job takes more.
        """
        used = self._used(rule, "max_vms" if address_space else "max_rss")
        if not used.peak_mb:
            return default
        size = self._largest_mb(_modality(rule), batch) if batch else 0.0
        wanted = math.ceil(used.memory_mb(size, default) / STEP_MB) * STEP_MB
        least = LEAST_ADDRESS_SPACE_MB if address_space else LEAST_MB
        return max(least, wanted) if batch else max(default, wanted)

    def runtime_min(self, rule: str, batch: str | None, default: int) -> int:
        """Minutes of a job; the default where none of its rule has run.

        Of a batch they grow with its images. A rule of the whole study never asks for less than
        the default: more permutations or people take longer.
        """
        used = self._used(rule, "max_rss")
        if batch is None:
            return max([default, *(_minutes(seconds) for seconds in used.job_s)])
        count = len(self.images.get((_modality(rule), batch), ()))
        if not used.image_s or not count:
            return default
        return _minutes(quantile(used.image_s, ENOUGH_FOR) * count)

    def _read(self, rule: str, column: str) -> Used:
        status = self.output_dir / "work/status" / rule
        jobs, images, sizes = [], [], []
        for table in spread(sorted((self.output_dir / "benchmarks" / rule).glob("*.tsv"))):
            computed = _image_seconds(status / table.name)
            images += computed
            # A job that found most of its images done says nothing of one that computes them.
            rows = [
                row for row in benchmark_rows(table, column) if row[1] >= SOME_WORK * sum(computed)
            ]
            jobs += rows
            batch = table.stem.removeprefix("batch-")
            sizes += [self._largest_mb(_modality(rule), batch)] * len(rows)
        return Used([mb for mb, _ in jobs], [s for _, s in jobs], images, sizes)

    def _look_at(self, modality: str, batch: str) -> float:
        """Megabytes of the largest image of a batch; 0 where none can be looked at."""
        sizes = [0.0]
        for path in self.images.get((modality, batch), ()):
            with suppress(OSError):
                sizes.append(path.stat().st_size / 1e6)
        return max(sizes)


def _modality(rule: str) -> str:
    return rule.partition("_")[0]


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


def benchmark_rows(table: Path, column: str = "max_rss") -> list[tuple[float, float]]:
    """Peak memory in MB and wall seconds that Snakemake noted of a job.

    Parameters
    ----------
    table
        What it wrote.
    column
        ``max_rss`` for memory, ``max_vms`` for address space.
    """
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        return [
            (float(row[column]), float(row["s"])) for row in rows if row[column] not in ("-", "NA")
        ]
    except (OSError, KeyError, ValueError):
        return []


def _image_seconds(table: Path) -> list[float]:
    """CPU seconds of each image of a batch; none for a rule of the whole study."""
    return [row.cpu_s for row in rows_of(table) if row.state == "present" and row.cpu_s > 0]
