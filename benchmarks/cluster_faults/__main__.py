"""What faults of a cluster do to a run, on a real Slurm of two nodes on this machine.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m benchmarks.cluster_faults FOLDER

prints a line for each fault: whether it was survived, how many jobs it met, and how much was done
again. ``--kills 20`` kills the master at so many random moments, seven in each study; ``--only``
chooses faults, and without a name after it none. Root is
needed to start Slurm; it is ended with all that it runs. Ends with 1 where one was not survived.
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
    parser.add_argument("--people", action="store_true", help="kills until people are computed")
    parser.add_argument("--most-s", type=float, default=60.0, help="latest moment of a kill")
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
        kills = random_kills(
            lab, asked.kills, people=asked.people, most_s=asked.most_s, seed=asked.seed
        )
        for number, judged in enumerate(kills, start=1):
            bad += bool(judged.wrong)
            survived = "no: " + "; ".join(judged.wrong) if judged.wrong else "yes"
            print(f"| kills {number} | {survived} | {judged.running} | {judged.repeated} | | "
                  f"{judged.note} |", flush=True)  # fmt: skip
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
