"""What the checksums of a run's inputs cost: in the first run, and in each later one.

Files of the number and names of a study are made, small ones, and one large file of which the speed
of reading follows.

    python benchmarks/checksums.py [--people 5000] [--files 12] [--large-mb 2000]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from commissure.flow.checksums import checksums


def timed(files: dict[str, Path], cache: Path) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.monotonic()
    checksums(files, cache)
    return time.process_time() - cpu, time.monotonic() - wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--files", type=int, default=12)
    parser.add_argument("--large-mb", type=int, default=2000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files = {}
        for person in range(args.people):
            (folder / f"sub-{person:05d}").mkdir()
            for number in range(args.files):
                name = f"sub-{person:05d}/sub-{person:05d}_run-{number}_bold.json"
                files[name] = folder / name
                files[name].write_bytes(os.urandom(1000))
        large = folder / "large.nii"
        with large.open("wb") as file:
            for _ in range(args.large_mb):
                file.write(os.urandom(1_000_000))
        print(f"{len(files)} files of 1 kB, and one of {args.large_mb} MB")
        for words, some in (("small files", files), ("large file", {"large.nii": large})):
            cache = folder / f"{words}.tsv"
            for run in ("first", "second"):
                cpu, wall = timed(some, cache)
                print(f"{words}, {run} run: {cpu:.2f} CPU s, {wall:.2f} s")


if __name__ == "__main__":
    main()
