"""What the classifier costs by the number of people: CPU seconds and peak memory of each step.

A study of tables is drawn - two labels, 20 controls, ``--sites`` sites that differ, 161 markers in
four modalities, each of which a tenth of the people lack, two exclusion rules - and ``fuse`` runs on
it from the tables to the files, with the settings of any study unless others are asked for. Every
size is a process of its own. Peak memory is the resident set's largest within the step. One
thread.

    python benchmarks/fusion_scale.py FOLDER [--people 1000 2000 5000] [--sites 10]
        [--permutations 1000] [--repeats 10] [--no-secondary] [--keep]
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd

from commissure.files import write_json
from commissure.fusion.run import fuse
from commissure.fusion.settings import FusionSettings
from commissure.outputs import EXCLUSIONS, MARKERS

#: Markers of each modality.
SIZES = {"anat": 80, "func": 50, "dwi": 25, "mrs": 6}
#: Difference of the labels in each modality, in standard deviations along its own direction.
EFFECT = 0.4
CONTROLS = 20


def write_tables(
    folder: Path, people: int, sites: int, controls: int = CONTROLS
) -> dict[str, Path]:
    """Draw a study and write its tables; the paths as ``fuse`` takes them."""
    rng = np.random.default_rng(np.random.SeedSequence([people, sites]))
    n = people + controls
    names = np.array([f"sub-{number:05d}" for number in range(n)])
    site = rng.integers(0, sites, n)
    resistant = rng.random(n) < np.linspace(0.35, 0.55, sites)[site]
    label = np.where(
        np.arange(n) < people, np.where(resistant, "resistant", "responsive"), "control"
    )
    parts = []
    for modality, size in SIZES.items():
        x = rng.normal(size=(n, 10)) @ rng.normal(size=(10, size)) * 0.3 + rng.normal(
            size=(n, size)
        )
        x += 0.5 * rng.normal(size=(sites, size))[site]
        x += EFFECT / np.sqrt(size) * (label == "resistant")[:, None]
        has = np.flatnonzero(rng.random(n) < 0.9)
        parts.append(
            pd.DataFrame({
                "participant_id": np.repeat(names[has], size), "session": "", "modality": modality,
                "region": np.tile([f"r{number:02d}" for number in range(size)], len(has)),
                "marker": f"{modality}_marker", "value": x[has].ravel().round(6), "unit": "1",
                "quality": "ok",
            })
        )  # fmt: skip
    columns = pd.DataFrame({
        "participant_id": names, "site": [f"site{number:02d}" for number in site], "label": label,
        "age": rng.uniform(18, 60, n).round(1), "sex": rng.choice(["F", "M"], n),
        "age_at_onset": rng.uniform(14, 40, n).round(1),
    })  # fmt: skip
    rules = []
    for rule, modality in (("motion", "func"), ("snr", "mrs")):
        rules += [(who, "", modality, rule, "value above its limit")
                  for who in rng.choice(names, n // 50, replace=False)]  # fmt: skip
    files = {name: folder / f"{name}.tsv" for name in ("markers", "exclusions", "participants")}
    pd.concat(parts)[MARKERS.names].to_csv(files["markers"], sep="\t", index=False)
    columns.to_csv(files["participants"], sep="\t", index=False)
    excluded = pd.DataFrame(
        rules, columns=["participant_id", "session", "modality", "rule", "reason"]
    )
    excluded.reindex(columns=EXCLUSIONS.names).to_csv(files["exclusions"], sep="\t", index=False)
    files["definitions"] = folder / "markers.json"
    write_json(
        {f"{m}_marker": {"description": m, "unit": "1"} for m in SIZES}, files["definitions"]
    )
    return files


def peak_gb(reset: bool = False) -> float:
    """Largest resident set since it was last reset, where the system can reset it."""
    try:
        said = Path("/proc/self/status").read_text(encoding="ascii")
        peak = int(re.search(r"VmHWM:\s+(\d+)", said).group(1)) / 2**20
        if reset:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return peak


class Steps:
    """Prints CPU seconds and peak memory between the lines in which a run says how far it is."""

    def __init__(self, people: int) -> None:
        self._people, self._step = people, "tables"
        peak_gb(reset=True)
        self._begin = self._since = time.process_time()
        self._largest = 0.0

    def __call__(self, line: str) -> None:
        """Close the step before a line, and open the one that it names."""
        said = line.removeprefix("fusion: ")
        step = "all repeats" if re.match(r"repeat \d+ of|\d+ people with", said) else said
        if step != self._step:
            self.close()
            self._step = step

    def close(self) -> None:
        """Print the step."""
        now, peak = time.process_time(), peak_gb(reset=True)
        self._row(self._step, now - self._since, peak)
        self._since, self._largest = now, max(self._largest, peak)

    def whole(self) -> None:
        """Print the whole run; its last line has closed the last step."""
        self._row("in all", time.process_time() - self._begin, self._largest)

    def _row(self, step: str, seconds: float, peak: float) -> None:
        print(f"{self._people:<8}{step:<42}{seconds:>9.1f}{peak:>9.2f}", flush=True)


def run(folder: Path, people: int, asked: argparse.Namespace) -> None:
    """One size: draw, run and print."""
    files = write_tables(folder, people, asked.sites)
    settings = FusionSettings(
        label={"source": "column", "column": "label"}, permutations=asked.permutations,
        repeats=asked.repeats, secondary_analyses=not asked.no_secondary,
    )  # fmt: skip
    steps = Steps(people)
    fuse(settings=settings, out=folder / "fusion", treatments=None, progress=steps, **files)
    steps.whole()


def main() -> None:
    """Run every size in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--people", type=int, nargs="+", default=[1000, 2000, 5000])
    parser.add_argument("--sites", type=int, default=10)
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--no-secondary", action="store_true", help="without secondary analyses")
    parser.add_argument("--keep", action="store_true", help="leave the tables and results")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        run(asked.folder, asked.people[0], asked)
        return
    print(f"{'people':<8}{'step':<42}{'CPU s':>9}{'peak GB':>9}", flush=True)
    given = sys.argv[2:]
    for people in asked.people:
        folder = asked.folder / f"people-{people}"
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, __file__, str(folder), *given, "--people", str(people), "--one"]
        done = subprocess.run(command, check=False)
        if done.returncode:
            sys.exit(done.returncode)
        if not asked.keep:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
