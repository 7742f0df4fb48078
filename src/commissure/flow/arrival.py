"""Files of other nodes that a file system shows late.

Snakemake waits for the files that a rule names. Those of each person stand in the status tables:
a job on another node may see a table before it sees them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from commissure.flow.records import lost_files
from commissure.markers.status import Status, read_statuses

_LOOK_S = 0.5


def await_files(inputs: Iterable[str], output_dir: Path, *, at_most_s: float) -> list[str]:
    """Wait for what status tables name.

    Parameters
    ----------
    inputs
        Inputs of a job; those that are no status tables are passed over.
    output_dir
        The run's output folder.
    at_most_s
        How long, as Snakemake's ``--latency-wait``.

    Returns
    -------
    list of str
        Paths below the output that did not come.
    """
    tables = output_dir / "work" / "status"
    rows = [
        row
        for path in map(Path, inputs)
        if path.suffix == ".tsv" and path.is_relative_to(tables)
        for row in read_statuses(path)
        if row.state == "present"
    ]
    until = time.monotonic() + at_most_s
    while True:
        late = [(row, absent) for row in rows if (absent := _absent(row, output_dir))]
        if not late or time.monotonic() > until:
            return [file for _, absent in late for file in absent]
        rows = [row for row, _ in late]
        time.sleep(_LOOK_S)


def _absent(row: Status, output_dir: Path) -> list[str]:
    name = row.scan.rsplit("/", 1)[-1].split(".")[0]
    record = f"work/records/{row.modality}_{row.step}/{name}.json"
    files = lost_files(row.files, f"{output_dir}/{row.folder}")
    return [
        *(f"{row.folder}/{file}" for file in files),
        *([] if (output_dir / record).exists() else [record]),
    ]
