"""The network that looks at images of several visits, where the truth is known.

Patients are simulated, go through the steps of the modality lesion and a fusion of sizes and
clinical columns, and then through predict-visits in the same folds.

``growth``: the label says whose lesions have grown by the follow-up. ``density``: the lesions of
those with the label are darker at the follow-up, in the image alone; sizes tell nothing.
``texture``: they are mottled. ``none``: the label means nothing; wanted is a mean AUC of 0.50.

    python benchmarks/lesion_sequence.py FOLDER [--plant growth] [--people 40] [--visits 2]
        [--voxel-mm 5] [--crop-voxel-mm 4] [--epochs 60] [--seeds 1] [--first 0] [--permutations 0]
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from commissure.dataset.index import survey, write_entries
from commissure.dataset.tree import tree_of
from commissure.files import read_table, write_json, write_table
from commissure.fusion.run import fuse
from commissure.fusion.settings import FusionSettings
from commissure.image_sequence.judge import SEQUENCE, VISITS_ALONE
from commissure.image_sequence.predict import Request, predict_visits
from commissure.image_sequence.settings import SequenceSettings
from commissure.images.load import save_image
from commissure.lesion.builtin.preprocess import preprocess
from commissure.lesion.derivatives import LesionMeasured
from commissure.lesion.measure import measure
from commissure.lesion.settings import LesionMeasureSettings, LesionPreprocessSettings
from commissure.markers.registry import definitions
from commissure.markers.settings import SessionsSettings
from commissure.markers.table import definition_record, marker_table
from commissure.markers.visits import visit_table
from commissure.outputs import EXCLUSIONS
from commissure.phantom.lesions.dataset import write_follow_ups

#: By how much lesions are darker, and the SD of what mottles them, in HU; the noise is 12.
DARKER_HU, MOTTLED_HU = 20.0, 40.0
FUSION = {
    "label": {"source": "column", "column": "outcome", "positive": "yes", "negative": "no"},
    "clinical": ["age"], "visit_markers": ["baseline", "change"], "permutations": 0, "repeats": 1,
    "models": ["late", "modalities", "clinical"], "secondary_analyses": False,
    "min_per_class": 5,
}  # fmt: skip


def simulated(bids: Path, plant: str, people: int, visits: int, voxel_mm: float, seed: int) -> None:
    """Write the dataset, with an outcome in its table of people."""
    write_follow_ups(
        bids, patients=people, visits=visits, lesions=3, seed=seed, voxel_mm=(voxel_mm,) * 3
    )
    table = read_table(bids / "participants.tsv")
    rng = np.random.default_rng([23, seed])
    positive = rng.permutation(people) < people // 2
    if plant == "growth":
        truth = read_table(
            bids / "sourcedata/truth/lesions.tsv", text=("participant_id", "session")
        )
        total = truth.pivot_table(
            index="participant_id", columns="session", values="volume_ml", aggfunc="sum"
        ).fillna(0.0)
        ratio = (total["ses-2"] / total["ses-1"]).reindex(table["participant_id"])
        positive = (ratio.rank(method="first") > people / 2).to_numpy()
    table["outcome"] = np.where(positive, "yes", "no")
    write_table(table, bids / "participants.tsv")
    if plant in ("density", "texture"):
        for who in table.loc[positive, "participant_id"]:
            change_lesions(bids / who / "ses-2/ct", plant, rng)


def change_lesions(folder: Path, plant: str, rng: np.random.Generator) -> None:
    """Darken or mottle the lesions of an image."""
    path = next(folder.glob("*_ct.nii.gz"))
    mask = np.asanyarray(nib.load(next(folder.glob("*dseg.nii.gz"))).dataobj) > 0
    image = nib.load(path)
    data = np.asanyarray(image.dataobj, np.float32).copy()
    noise = rng.normal(0, MOTTLED_HU, int(mask.sum())).astype(np.float32)
    data[mask] += noise if plant == "texture" else np.float32(-DARKER_HU)
    save_image(data, image.affine, path)


def finished_run(bids: Path, out: Path) -> None:
    """What the workflow leaves of a dataset, in so far as predict-visits reads it."""
    entries = [one for one in survey(bids, tree_of(bids))[0] if one.modality == "lesion"]
    of_people: dict[str, list] = {}
    for entry in entries:
        of_people.setdefault(entry.participant_id, []).append(entry.scan_in(bids))
    files, lesions = [], []
    for scans in of_people.values():
        places = [out / scan.participant_id / scan.session / "lesion" for scan in scans]
        for scan, place in zip(scans, places, strict=True):
            place.mkdir(parents=True, exist_ok=True)
            preprocess(scan, place, settings=LesionPreprocessSettings(registration="none"),
                       visits=scans)  # fmt: skip
        for scan, place in zip(scans, places, strict=True):
            measure(scan, place, settings=LesionMeasureSettings(), visits=scans)
            measured = LesionMeasured.of(scan, place)
            files.append(measured.markers)
            lesions.append(read_table(measured.lesions))
    markers, _ = marker_table(files, ())
    write_table(markers.replace({"session": {"": None}}), out / "markers.tsv")
    write_table(pd.concat(lesions), out / "lesions.tsv")
    write_table(EXCLUSIONS.frame(), out / "exclusions.tsv")
    chosen = SessionsSettings(baseline="1", followup="2")
    write_table(visit_table(markers, chosen)[0], out / "visits.tsv")
    write_table(read_table(bids / "participants.tsv"), out / "participants.tsv")
    write_json(definition_record(definitions(), markers), out / "markers.json")
    write_json({"DatasetLinks": {"raw": str(Path("..") / bids.name)}},
               out / "dataset_description.json")  # fmt: skip
    (out / "work").mkdir(exist_ok=True)
    write_entries(entries, out / "work/index.tsv")
    fuse(
        settings=FusionSettings(**FUSION), out=out / "fusion", markers=out / "markers.tsv",
        definitions=out / "markers.json", exclusions=out / "exclusions.tsv", treatments=None,
        participants=out / "participants.tsv", visits=out / "visits.tsv",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--plant", choices=("growth", "density", "texture", "none"), default="growth"
    )
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--visits", type=int, default=2)
    parser.add_argument("--voxel-mm", type=float, default=5.0)
    parser.add_argument("--crop-voxel-mm", type=float, default=4.0)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--permutations", type=int, default=0)
    asked = parser.parse_args()
    found: dict[str, list[float]] = {}
    for seed in range(asked.first, asked.first + asked.seeds):
        folder = asked.folder / f"{asked.plant}-{seed}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not (folder / "run/fusion/metrics.json").is_file():
                simulated(folder / "bids", asked.plant, asked.people, asked.visits,
                          asked.voxel_mm, seed)  # fmt: skip
                finished_run(folder / "bids", folder / "run")
            begun = time.process_time()
            result = predict_visits(
                Request(
                    folder / "run", folder / "sequence", permutations=asked.permutations,
                    settings=SequenceSettings(voxel_mm=asked.crop_voxel_mm, epochs=asked.epochs),
                    device="cpu",
                )
            )  # fmt: skip
        areas = {name: result["models"][name]["auc_within_site"]["value"]
                 for name in (SEQUENCE, VISITS_ALONE)}  # fmt: skip
        areas |= {f"fusion: {name}": model["auc_within_site"]["value"]
                  for name, model in result["fusion"].items()}  # fmt: skip
        areas["CPU s"] = time.process_time() - begun
        areas["p of permutations"] = result["models"][SEQUENCE]["p_permutation"] or np.nan
        for name, value in areas.items():
            found.setdefault(name, []).append(value)
        print(json.dumps({"seed": seed} | {k: round(v, 3) for k, v in areas.items()}), flush=True)
    print(f"{asked.plant}: {asked.seeds} cohorts of {asked.people} people, {asked.visits} visits")
    for name, values in found.items():
        spread = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
        print(f"  {name}: {np.mean(values):.2f} +- {1.96 * spread:.2f}")


if __name__ == "__main__":
    main()
