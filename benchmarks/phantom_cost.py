"""What a simulated person costs: CPU time and memory by preset, and by part.

    python benchmarks/phantom_cost.py [--presets demo clinical] [--people 2]

People are drawn one after the other in one process, as `commissure simulate --jobs 1` does; the first
one also loads the atlases. Goals: at most 180 CPU-seconds and 3 GB for a person of `clinical`, at most
5 CPU-seconds for a person of `demo`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")

#: One process for each preset, so that memory is its own.
ONE = """
import cProfile, pstats, resource, sys, tempfile, time
from pathlib import Path
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.dataset import write_person
from commissure.phantom.protocol import chosen_protocol

preset, people = sys.argv[1], int(sys.argv[2])
protocol = chosen_protocol(preset)
request = CohortRequest(controls=people + 1, responsive=0, resistant=0, missing=0.0, seed=1)
cohort = draw_cohort(request)
for number, person in enumerate(cohort[:-1]):
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        write_person(Path(folder), person, protocol)
        used = time.process_time() - start
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{preset}: person {number + 1}: {used:.1f} CPU s, {peak:.2f} GB at most, {size / 1e6:.0f} MB")
# One more is profiled, which costs time of its own.
profile = cProfile.Profile(time.process_time)
with tempfile.TemporaryDirectory() as folder:
    profile.runcall(write_person, Path(folder), cohort[-1], protocol)
parts = {}
for (_, _, name), (_, _, _, cumulative, _) in pstats.Stats(profile).stats.items():
    if name in ("draw_anatomy", "simulate_t1w", "simulate_bold", "simulate_dwi", "simulate_mrs",
                "save_image", "_write_nifti_mrs"):
        parts[name] = cumulative
print("   " + ", ".join(f"{name} {value:.1f}" for name, value in parts.items()))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", default=["demo", "clinical"])
    parser.add_argument("--people", type=int, default=2)
    given = parser.parse_args()
    env = {**os.environ, **dict.fromkeys(THREADS, "1")}
    for preset in given.presets:
        subprocess.run([sys.executable, "-c", ONE, preset, str(given.people)], check=True, env=env)


if __name__ == "__main__":
    main()
