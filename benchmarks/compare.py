"""How far every marker moves where the inputs move by one step of their storage.

``--finished`` reads ``tolerances.tsv`` of a finished study, which ``snakemake tolerances`` makes.
Otherwise a cohort is simulated, run, and measured again with moved inputs; run twice, the two runs
are compared, too. Printed are the tolerance of every marker in its unit and in per cent of its
mean, and the medians over regions.

``--causes`` runs the cohort again with another number of threads, another kernel of linear algebra
and another version of a library, and prints what ``commissure compare`` names for each. The library
comes by pip into an environment of its own that sees this one.

    python benchmarks/compare.py FOLDER [--preset tiny] [--people 1 1 1] [--modalities mrs]
        [--repeats 2] [--twice] [--cores 2]
    python benchmarks/compare.py --finished OUTPUT_DIR
    python benchmarks/compare.py FOLDER --causes threads kernel library [--library scipy==1.15.2]
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy  # noqa: F401 - its linear algebra is asked for its kernel
from threadpoolctl import threadpool_info

from commissure.compare.comparison import compare
from commissure.outputs import TOLERANCES

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
GROUPS = ("controls", "responsive", "resistant")


def workflow(
    bids: Path,
    output: Path,
    args: argparse.Namespace,
    *targets: str,
    python: Path = Path(sys.executable),
    **variables: str,
) -> None:
    config = [
        f"bids_dir={bids}",
        f"output_dir={output}",
        f"modalities=[{','.join(args.modalities)}]",
    ]
    config.append(f"tolerances={{people: 1, repeats: {args.repeats}}}")
    done = subprocess.run(
        [python, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", ROOT,
         "--cores", args.cores, *targets, "--config", *config],
        capture_output=True, text=True, env={**os.environ, **variables},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-4000:])


def cohort(args: argparse.Namespace) -> Path:
    bids = args.folder / "bids"
    options = [
        word
        for name, count in zip(GROUPS, args.people, strict=True)
        for word in ("--set", f"cohort.{name}={count}")
    ]
    subprocess.run(
        [BIN / "commissure", "simulate", bids, "--preset", args.preset, *options], check=True
    )
    return bids


def simulated(args: argparse.Namespace) -> Path:
    bids, first, second = cohort(args), args.folder / "first", args.folder / "second"
    workflow(bids, first, args)
    workflow(bids, first, args, "tolerances")
    if args.twice:
        workflow(bids, second, args)
        done = subprocess.run(
            [BIN / "commissure", "compare", first, second], capture_output=True, text=True
        )
        print(f"two runs from scratch: exit status {done.returncode}\n{done.stdout[:1500]}")
    return first


def other_kernel() -> str:
    """A kernel of OpenBLAS that this processor can run and does not choose."""
    kernels = {
        str(item.get("architecture")) for item in threadpool_info() if item["user_api"] == "blas"
    }
    candidates = (
        ("Nehalem", "Haswell") if platform.machine() == "x86_64" else ("ARMV8", "CORTEXA57")
    )
    return next(name for name in candidates if name.casefold() not in str(kernels).casefold())


def with_library(folder: Path, wanted: str) -> Path:
    """Python of an environment that sees this one and has another version of one package."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin/python"
    pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--no-deps", wanted]
    subprocess.run(pip, check=True)
    place = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    here = sysconfig.get_path("purelib")
    Path(place, "this_environment.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    return python


def changed(args: argparse.Namespace) -> None:
    bids, first = cohort(args), args.folder / "first"
    workflow(bids, first, args)
    for cause in args.causes:
        other = args.folder / cause
        if cause == "threads":
            rules = [f"{m}_{step}=2" for m in args.modalities for step in ("preprocess", "measure")]
            workflow(bids, other, args, "--set-threads", *rules)
        elif cause == "kernel":
            workflow(bids, other, args, OPENBLAS_CORETYPE=other_kernel())
        else:
            workflow(bids, other, args, python=with_library(args.folder / "env", args.library))
        comparison = compare(first, other)
        print(f"\n{cause} changed: {comparison.verdict}")
        for each in comparison.causes:
            print(f"  named: {each.kind} {each.what}: {each.a} / {each.b}")
        differ = [row for row in comparison.markers if row.verdict != "identical"]
        print(f"  {len(differ)} of {len(comparison.markers)} markers are not identical")


def table(output: Path) -> None:
    moved = TOLERANCES.read(output)
    print(
        f"{'modality':9} {'marker':26} {'region':34} {'tolerance':>12} {'unit':9} {'% of mean':>10}"
    )
    for row in moved.itertuples():
        print(f"{row.modality:9} {row.marker:26} {row.region:34} {row.tolerance:12.4g} "
              f"{row.unit:9} {row.tolerance_percent:10.3g}")  # fmt: skip
    print(
        f"\n{'marker':26} {'unit':7} {'regions':>7} {'median':>10} {'median %':>9} {'largest %':>9}  "
        "in"
    )
    for (modality, marker, unit), rows in moved.groupby(["modality", "marker", "unit"]):
        percent = rows["tolerance_percent"]
        print(f"{modality + ' ' + marker:26} {unit:7} {len(rows):7} "
              f"{rows['tolerance'].median():10.3g} {percent.median():9.2g} {percent.max():9.2g}  "
              f"{rows.loc[percent.idxmax(), 'region']}")  # fmt: skip


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
    parser.add_argument("--causes", nargs="+", choices=["threads", "kernel", "library"])
    parser.add_argument("--library", default="scipy==1.15.2")
    args = parser.parse_args()
    if args.causes:
        changed(args)
        return
    table(args.finished or simulated(args))


if __name__ == "__main__":
    main()
