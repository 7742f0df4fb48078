"""What faults of a cluster do to a run, on a real Slurm of two nodes on this machine.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m benchmarks.cluster_faults FOLDER

prints a line for each fault: whether it was survived, how many jobs it met, and how much was done
again. ``--kills 20`` kills the master at so many random moments; ``--only`` chooses faults. Root is
needed to start Slurm; it is ended with all that it runs. Ends with 1 where a fault was not survived.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from contextlib import nullcontext
from pathlib import Path

from benchmarks.cluster_faults.cases import CASES, LOCAL, random_kills
from benchmarks.cluster_faults.lab import Lab, slurm


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=[*CASES, *LOCAL], default=[*CASES, *LOCAL])
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    # Whoever ends this ends the Slurm with it.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    needed = bool(asked.kills or set(asked.only) & set(CASES))
    bad = 0
    print("| fault | survived | jobs met | done again | seconds | |\n|---|---|---|---|---|---|")
    if not asked.only and not asked.kills:
        return 0
    with slurm() if needed else nullcontext() as cluster:
        folder = asked.folder.resolve()
        lab, local = Lab.at(folder, cluster), Lab.at(folder, None)
        for name in asked.only:
            start = time.monotonic()
            judged = CASES[name](lab) if name in CASES else LOCAL[name](local)
            bad += bool(judged.wrong)
            survived = "no: " + "; ".join(judged.wrong) if judged.wrong else "yes"
            print(
                f"| {name} | {survived} | {judged.running} | {judged.repeated} "
                f"| {time.monotonic() - start:.0f} | {judged.note} |", flush=True,
            )  # fmt: skip
        if asked.kills:
            results = random_kills(lab, asked.kills, seed=asked.seed)
            bad += sum(bool(judged.wrong) for judged in results)
            met, again = sum(j.running for j in results), sum(j.repeated for j in results)
            same = sum(not judged.wrong for judged in results)
            print(f"{asked.kills} kills in {len(results)} studies: {same} studies identical; "
                  f"{met} jobs were running, {again} units of work done again")  # fmt: skip
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
