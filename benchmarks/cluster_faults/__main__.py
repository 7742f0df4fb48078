"""What faults of a cluster do to a run, on a real Slurm of two nodes on this machine.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m benchmarks.cluster_faults FOLDER

prints a line for each fault: whether it was survived, how many jobs it met, and how much was done
again. ``--kills 20`` kills the master at so many random moments, too; ``--only`` chooses faults, and
without a name after it none. Cases run side by side (``--at-once``), but for those that take a part
of Slurm away. Root is needed to start Slurm; it is ended with all that it runs. Ends with 1 where
one was not survived.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from benchmarks.cluster_faults.cases import ALONE, CASES, LOCAL, Judged, random_kills
from benchmarks.cluster_faults.lab import Lab, slurm
from benchmarks.cluster_faults.side_by_side import AT_ONCE, begun

#: In how many chains of studies the master is killed, side by side.
CHAINS = 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=[*CASES, *LOCAL], default=[*CASES, *LOCAL])
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--people", action="store_true", help="kills until people are computed")
    parser.add_argument("--most-s", type=float, default=40.0, help="latest moment of a kill")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    asked = parser.parse_args()
    # Whoever ends this ends the Slurm with it.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    print("| fault | survived | jobs met | done again | seconds | |\n|---|---|---|---|---|---|")
    if not asked.only and not asked.kills:
        return 0
    needed = bool(asked.kills or set(asked.only) & set(CASES))
    with slurm() if needed else nullcontext() as cluster:
        lab = Lab.at(asked.folder.resolve(), cluster)
        kills = _kills(lab, asked)
        names = [*asked.only, *kills]
        bad = 0
        with begun(lab, asked.only, at_once=asked.at_once, more=kills) as cases:
            for name in sorted(names, key=lambda name: name in ALONE):
                judged = cases.judged(name)
                bad += bool(judged.wrong)
                survived = "no: " + "; ".join(judged.wrong) if judged.wrong else "yes"
                print(
                    f"| {name} | {survived} | {judged.running} | {judged.repeated} "
                    f"| {cases.seconds[name]:.0f} | {judged.note} |", flush=True,
                )  # fmt: skip
    return int(bool(bad))


def _kills(lab: Lab, asked: argparse.Namespace) -> dict[str, Callable[[], Judged]]:
    """Chains of kills by name: as many kills in each, and one more in the first of them."""
    chains = min(CHAINS, asked.kills)
    shares = [asked.kills // chains + (at < asked.kills % chains) for at in range(chains)]
    return {
        name: partial(random_kills, lab, name, share, people=asked.people, most_s=asked.most_s)
        for at, share in enumerate(shares, start=1)
        for name in [f"kills-{asked.seed}-{at}"]
    }


if __name__ == "__main__":
    sys.exit(main())
