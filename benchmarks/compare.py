"""How far every marker moves where the inputs move by one step of their storage.

``--finished`` reads ``tolerances.tsv`` of a finished study, which ``snakemake tolerances`` makes.
Otherwise a cohort is simulated, run, and measured again with moved inputs; run twice, the two runs
are compared, too. Printed are the tolerance of every marker in its unit and in per cent of its
mean, and the medians over regions.

    python benchmarks/compare.py FOLDER [--preset tiny] [--people 1 1 1] [--modalities mrs]
        [--repeats 2] [--twice] [--cores 2]
    python benchmarks/compare.py --finished OUTPUT_DIR
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from commissure.outputs import TOLERANCES

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
GROUPS = ("controls", "responsive", "resistant")


def workflow(bids: Path, output: Path, args: argparse.Namespace, *targets: str) -> None:
    config = [
        f"bids_dir={bids}",
        f"output_dir={output}",
        f"modalities=[{','.join(args.modalities)}]",
    ]
    config.append(f"tolerances={{people: 1, repeats: {args.repeats}}}")
    done = subprocess.run(
        [BIN / "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", ROOT,
         "--cores", args.cores, *targets, "--config", *config],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-4000:])


def simulated(args: argparse.Namespace) -> Path:
    bids, first, second = (args.folder / name for name in ("bids", "first", "second"))
    options = [
        word
        for name, count in zip(GROUPS, args.people, strict=True)
        for word in ("--set", f"cohort.{name}={count}")
    ]
    subprocess.run(
        [BIN / "commissure", "simulate", bids, "--preset", args.preset, *options], check=True
    )
    workflow(bids, first, args)
    workflow(bids, first, args, "tolerances")
    if args.twice:
        workflow(bids, second, args)
        done = subprocess.run(
            [BIN / "commissure", "compare", first, second], capture_output=True, text=True
        )
        print(f"two runs from scratch: exit status {done.returncode}\n{done.stdout[:1500]}")
    return first


def table(output: Path) -> None:
    moved = TOLERANCES.read(output)
    print(
        f"{'modality':9} {'marker':26} {'region':34} {'tolerance':>12} {'unit':9} {'% of mean':>10}"
    )
    for row in moved.itertuples():
        print(f"{row.modality:9} {row.marker:26} {row.region:34} {row.tolerance:12.4g} "
              f"{row.unit:9} {row.tolerance_percent:10.3g}")  # fmt: skip
    print(f"\n{'marker':36} {'regions':>7} {'median %':>9} {'largest %':>10}")
    for (modality, marker), rows in moved.groupby(["modality", "marker"]):
        percent = rows["tolerance_percent"]
        print(f"{modality + ' ' + marker:36} {len(rows):7} {percent.median():9.3g} "
              f"{percent.max():10.3g}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--finished", type=Path)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--people", nargs=3, default=["1", "1", "1"])
    parser.add_argument("--modalities", nargs="+", default=["anat", "func", "dwi", "mrs"])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--twice", action="store_true")
    parser.add_argument("--cores", default="2")
    args = parser.parse_args()
    table(args.finished or simulated(args))


if __name__ == "__main__":
    main()
