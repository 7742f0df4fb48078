"""What it costs to join a lab's table or the marker files of many people.

``wide``: one table of 88 people and 6105 columns (a connectivity matrix). ``files``: as many rows in
one ``*_markers.tsv`` per person. CPU seconds of reading, checking and joining; 537 240 rows took
14.5 s where each group of rows was looked at by a Python function.

    python benchmarks/marker_tables.py FOLDER [--people 88] [--columns 6105]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

from commissure.markers.settings import TableSettings
from commissure.markers.table import marker_table
from commissure.markers.visits import baseline_rows, visit_table
from commissure.rows import Marker, write_markers


def main() -> None:
    """Write the tables, join them and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, default=88)
    parser.add_argument("--columns", type=int, default=6105)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).normal(size=(asked.people, asked.columns)).round(6)
    people = [f"sub-{number:03d}" for number in range(asked.people)]
    names = [f"edge{number:04d}" for number in range(asked.columns)]
    wide = asked.folder / "wide.tsv"
    table = pd.DataFrame(values, columns=names)
    table.insert(0, "participant_id", people)
    table.to_csv(wide, sep="\t", index=False)
    files = []
    for who, row in zip(people, values, strict=True):
        files.append(asked.folder / f"{who}_markers.tsv")
        write_markers(
            [Marker(who, "", "func", n, "edge", v, "1") for n, v in zip(names, row, strict=True)],
            files[-1],
        )
    settings = TableSettings(file=str(wide), modality="func", marker="edge")
    print("what     rows      joined, CPU s  baseline, CPU s")
    for what, given in (("wide", ([], [settings])), ("files", (files, []))):
        start = time.process_time()
        rows, _ = marker_table(*given)
        joined = time.process_time() - start
        counted = baseline_rows(rows, visit_table(rows)[0])
        spent = time.process_time() - start - joined
        print(f"{what:<9}{len(counted):<10}{joined:<15.2f}{spent:.2f}")


if __name__ == "__main__":
    main()
