"""The steps of the modality lesion on simulated patients: their cost, and the response they give.

    python benchmarks/lesion_steps.py FOLDER [--patients 8] [--visits 4] [--voxel-mm 2.5 2.5 2.5]
        [--body liver] [--radiomics none] [--seed 2]

A dataset with its truth is written into FOLDER and goes through preprocess (with registration) and
measure as the workflow calls them. Told are CPU seconds a patient, and how many responses are those
of the true diameters.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from commissure.dataset.index import survey
from commissure.dataset.tree import tree_of
from commissure.files import read_table
from commissure.lesion.builtin.preprocess import preprocess
from commissure.lesion.derivatives import LesionMeasured
from commissure.lesion.measure import measure
from commissure.lesion.settings import LesionMeasureSettings, LesionPreprocessSettings
from commissure.names import Scan
from commissure.phantom.lesions.dataset import write_follow_ups


def processed(scans: list[Scan], out: Path, radiomics: str) -> tuple[dict[str, float], dict]:
    """CPU seconds of each step of a patient, and the response at each follow-up."""
    settings = {
        preprocess: LesionPreprocessSettings(),
        measure: LesionMeasureSettings(radiomics=radiomics),  # type: ignore[arg-type]
    }
    costs, found = {}, {}
    for step, chosen in settings.items():
        begun = time.process_time()
        for scan in scans:
            folder = out / scan.participant_id / scan.session / "lesion"
            folder.mkdir(parents=True, exist_ok=True)
            step(scan, folder, settings=chosen, visits=scans)
        costs[step.__name__] = time.process_time() - begun
    for scan in scans:
        file = LesionMeasured.of(scan, out / scan.participant_id / scan.session / "lesion").response
        if file.exists():
            found[scan.participant_id, scan.session] = read_table(file)["response"][0]
    return costs, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", type=int, default=8)
    parser.add_argument("--visits", type=int, default=4)
    parser.add_argument("--voxel-mm", type=float, nargs=3, default=[2.5, 2.5, 2.5])
    parser.add_argument("--body", choices=("liver", "head"), default="liver")
    parser.add_argument("--radiomics", choices=("none", "ct", "mri"), default="none")
    parser.add_argument("--seed", type=int, default=2)
    asked = parser.parse_args()
    bids = asked.folder / "bids"
    write_follow_ups(
        bids, organ=asked.body, patients=asked.patients, visits=asked.visits, seed=asked.seed,
        voxel_mm=tuple(asked.voxel_mm),
    )  # fmt: skip
    people: dict[str, list[Scan]] = {}
    for entry in survey(bids, tree_of(bids))[0]:
        if entry.modality == "lesion":
            people.setdefault(entry.participant_id, []).append(entry.scan_in(bids))
    truth = read_table(bids / "sourcedata/truth/responses.tsv")
    due = dict(
        zip(zip(truth["participant_id"], truth["session"], strict=True), truth["response"],
            strict=True)
    )  # fmt: skip
    costs, found = [], {}
    for scans in people.values():
        cost, responses = processed(scans, asked.folder / "out", asked.radiomics)
        costs.append(cost)
        found |= responses
    table = Table("what", "result")
    for step in costs[0]:
        mean = sum(cost[step] for cost in costs) / len(costs)
        table.add_row(f"{step}, CPU s a patient of {asked.visits} visits", f"{mean:.1f}")
    equal = sum(found.get(visit) == response for visit, response in due.items())
    table.add_row("responses of the true diameters", f"{equal} of {len(due)}")
    Console().print(table)


if __name__ == "__main__":
    main()
