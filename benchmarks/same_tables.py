"""Whether two runs have the same tables, value by value.

``python benchmarks/same_tables.py FIRST SECOND`` compares the tables of two output folders and prints
one line for each: rows, cells that differ, and the largest relative difference of a number. Names that
were changed between two versions are mapped first: ``--rename marker-region:ACR-L=ACR_L`` may be given
several times, as ``COLUMN:OLD=NEW``; ``--hyphens COLUMN`` writes ``-`` before a side as ``_``. A column
that only one of the two has is named. Exit status 1 if any value differs.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd

#: The tables that carry numbers of a study.
TABLES = (
    "markers.tsv",
    "completeness.tsv",
    "exclusions.tsv",
    "fusion/predictions.tsv",
    "fusion/labels.tsv",
    "fusion/splits.tsv",
    "fusion/importance.tsv",
    "recovery.tsv",
)
#: Columns that name a run and not a result.
IGNORED = ("command",)


def read(path: Path, renames: list[tuple[str, str, str]], hyphens: list[str]) -> pd.DataFrame:
    """One table as text, with renamed values and without the columns that name the run."""
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    table = table.drop(columns=[name for name in IGNORED if name in table])
    for column, old, new in renames:
        if column in table:
            table[column] = table[column].where(table[column] != old, new)
    for column in hyphens:
        if column in table:
            table[column] = [re.sub(r"-(?=[LR]$)", "_", value) for value in table[column]]
    keys = [name for name in table if name not in ("value", "probability", "weight")]
    return table.sort_values(keys, kind="stable", ignore_index=True)


def difference(first: pd.DataFrame, second: pd.DataFrame) -> tuple[int, float, str]:
    """Cells that differ, the largest relative difference of a number, and a remark."""
    shared = [name for name in first if name in second]
    alone = sorted(set(first) ^ set(second))
    remark = f"columns of one only: {', '.join(alone)}" if alone else ""
    if len(first) != len(second):
        return (
            max(len(first), len(second)),
            np.inf,
            f"{len(first)} and {len(second)} rows. {remark}",
        )
    cells, largest = 0, 0.0
    for name in shared:
        unequal = (first[name] != second[name]).to_numpy()
        cells += int(unequal.sum())
        if unequal.any():
            numbers = [pd.to_numeric(t[name][unequal], errors="coerce") for t in (first, second)]
            gap = np.abs(numbers[0] - numbers[1]) / np.abs(numbers[0])
            largest = max(largest, float(np.nan_to_num(gap.max(), nan=np.inf)))
            i = int(np.flatnonzero(unequal)[0])
            remark += f" {name}: '{first[name][i]}' and '{second[name][i]}' (row {i})."
    return cells, largest, remark.strip()


def main(arguments: list[str]) -> int:
    """Print the table of differences; 0 where there are none."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--rename", action="append", default=[], metavar="COLUMN:OLD=NEW")
    parser.add_argument("--hyphens", action="append", default=[], metavar="COLUMN")
    given = parser.parse_args(arguments)
    renames = [tuple(re.fullmatch(r"(\w+):(.*)=(.*)", text).groups()) for text in given.rename]
    different = 0
    print(f"{'table':28} {'rows':>7} {'cells that differ':>18} {'largest':>9}  remark")
    for name in TABLES:
        paths = [folder / name for folder in (given.first, given.second)]
        if not all(path.exists() for path in paths):
            absent = [str(path.parent) for path in paths if not path.exists()]
            print(f"{name:28} {'':>7} {'':>18} {'':>9}  absent in {' and '.join(absent)}")
            different += len(absent) == 1
            continue
        first, second = (
            read(path, renames if i == 0 else [], given.hyphens) for i, path in enumerate(paths)
        )
        cells, largest, remark = difference(first, second)
        different += cells
        print(f"{name:28} {len(first):>7} {cells:>18} {largest:>9.1e}  {remark}")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
