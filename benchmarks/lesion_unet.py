"""A network that marks lesions: trained on simulated ones, tried on others and on real tumours.

    python benchmarks/lesion_unet.py FOLDER [--body liver head] [--train 12] [--tried 8] [--visits 3]
        [--voxel-mm 2.5] [--patch 32] [--steps 1000] [--learning-rate 0.01] [--passes 4] [--seeds 1]
        [--data REAL/oncology]

For each body a dataset to learn from (two visits a patient) and another to be tried on are written
into FOLDER, by other seeds. Told are, of images that the network has not seen: Dice, how many lesions
of at least 5 mm are marked (a quarter of their voxels), false ones, the volume; how far passes agree
where the mask is good and where it is not; and Cohen's kappa of the RECIST 1.1 response with that of
the true diameters, by the masks of the network and by the true ones. With --data, Dice on real
tumours: two sarcomas on CT, one brain tumour on MRI. It needs the extra deep.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
from rich.console import Console
from rich.table import Table

from commissure.files import read_table
from commissure.lesion.agreement import agreement
from commissure.lesion.criteria.assess import assess
from commissure.lesion.criteria.rules import RECIST_1_1
from commissure.lesion.follow_up import follow_up
from commissure.lesion.matching import match_visits
from commissure.lesion.measures import measured_mask
from commissure.lesion.network.examples import marked_scans
from commissure.lesion.network.segment import Network, marked_by, ready_network
from commissure.lesion.network.settings import TrainingSettings
from commissure.lesion.network.train import Training, train
from commissure.lesion.network.trial import overlap
from commissure.lesion.visits import visits_in_order
from commissure.names import Scan
from commissure.phantom.lesions.dataset import write_follow_ups

#: Recall is asked of lesions of this diameter.
MEASURABLE_MM = 5.0
#: Patients who are tried are drawn by seeds from here on.
TRIED_SEED = 1000
FLOOR_MM3 = 30.0


@dataclass
class Result:
    """What a network does on patients whom it has not seen."""

    dice: list[float] = field(default_factory=list)
    agreements: list[float] = field(default_factory=list)
    volumes: list[float] = field(default_factory=list)
    seen: list[bool] = field(default_factory=list)
    false: int = 0
    people: list[str] = field(default_factory=list)
    true: list[str] = field(default_factory=list)
    by_network: list[str] = field(default_factory=list)
    by_truth: list[str] = field(default_factory=list)
    cpu_s: float = 0.0


def responses(scans: list[Scan], masks: list[np.ndarray]) -> list[str]:
    """Responses at the follow-ups; the images of all visits lie on each other."""
    affine = nib.load(scans[0].path).affine
    measured = [measured_mask(nib.Nifti1Image(m, affine), who="sub") for m in masks]
    tracks = match_visits([mask.labels for mask in measured], affine)
    records = visits_in_order(scans).records
    followed = follow_up("sub", records, measured, tracks, RECIST_1_1, organ_of=lambda x: "organ")
    return [one.response for one in assess(followed.patient, RECIST_1_1)]


def tried(network: Network, bids: Path, passes: int) -> Result:
    result = Result()
    truth = read_table(bids / "sourcedata/truth/lesions.tsv", text=("session", "lesions"))
    due = read_table(bids / "sourcedata/truth/responses.tsv", text=("response",))
    people: dict[str, list[Scan]] = {}
    for scan in marked_scans(bids):
        people.setdefault(scan.participant_id, []).append(scan)
    for who, scans in people.items():
        scans = list(visits_in_order(scans).scans)
        drawn, marked = [], []
        for scan in scans:
            image = nib.load(scan.associated["image"])
            begun = time.process_time()
            said = marked_by(network, image, floor_mm3=FLOOR_MM3, who=scan.who, passes=passes)
            result.cpu_s += time.process_time() - begun
            labels = np.asarray(nib.load(scan.path).dataobj).astype(np.int32)
            drawn.append(labels)
            marked.append(said.labels)
            count(result, said.labels, labels, said.agreement, truth[
                (truth["participant_id"] == who) & (truth["session"] == scan.session)
            ])  # fmt: skip
        true = list(due[due["participant_id"] == who]["response"])
        nothing = ["NE"] * len(true)
        by_network = responses(scans, marked) if marked[0].any() else nothing
        result.people += [who] * len(true)
        result.true += true
        result.by_network += by_network
        result.by_truth += responses(scans, drawn)
    return result


def count(result: Result, marked, drawn, agreed: float | None, truth) -> None:
    score = overlap(marked > 0, drawn)
    large = set(truth[truth["longest_mm"] >= MEASURABLE_MM]["label"])
    result.seen += [seen for label, seen in score.seen.items() if label in large]
    result.false += score.false
    if score.seen:
        result.dice.append(score.dice)
        result.agreements.append(agreed or 0.0)
        result.volumes.append(score.volume_percent)


def trained(asked: argparse.Namespace, body: str, seed: int, console: Console) -> Path:
    bids = asked.folder / f"{body}-train"
    write_follow_ups(
        bids, organ=body, patients=asked.train, visits=2, voxel_mm=(asked.voxel_mm,) * 3
    )
    out = asked.folder / f"{body}-network-{seed}"
    settings = TrainingSettings(
        steps=asked.steps, learning_rate=asked.learning_rate, held_out=0, seed=seed
    )
    training = Training(
        bids,
        out,
        patch=asked.patch,
        settings=settings,
        voxel_mm=asked.voxel_mm,
        device=asked.device,
    )
    train(training, say=console.print)
    return out


def real_tumours(networks: dict[str, Network], data: Path, passes: int) -> Table:
    """Real tumours by networks that were trained on simulated lesions."""
    table = Table("real tumour", "network of", "Dice", "drawn, ml", "marked, ml", "agreement")
    cases = []
    if "liver" in networks:
        for folder in sorted((data / "sts-ibsi-validation").glob("STS_*")):
            pair = [nib.load(folder / f"CT_{kind}.nii.gz") for kind in ("image", "mask")]
            cases.append((f"{folder.name}, CT", "liver", *pair))
    if "head" in networks:
        folder = data / "pyradiomics-brain1"
        pair = [read_nrrd(folder / f"brain1_{kind}.nrrd") for kind in ("image", "label")]
        cases.append(("brain tumour, MRI", "head", *pair))
    for name, body, image, mask in cases:
        said = marked_by(networks[body], image, floor_mm3=FLOOR_MM3, who=name, passes=passes)
        drawn = (np.asarray(mask.dataobj) > 0).astype(int)
        score = overlap(said.labels > 0, drawn)
        ml = abs(np.linalg.det(image.affine[:3, :3])) / 1000
        table.add_row(
            name, body, f"{score.dice:.2f}", f"{drawn.sum() * ml:.1f}",
            f"{(said.labels > 0).sum() * ml:.1f}",
            "-" if said.agreement is None else f"{said.agreement:.2f}",
        )  # fmt: skip
    return table


def read_nrrd(path: Path) -> nib.Nifti1Image:
    """A file of NRRD with its place in the world."""
    import SimpleITK  # of the extra lesion

    image = SimpleITK.ReadImage(str(path))
    turn = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    to_ras = np.diag([-1.0, -1.0, 1.0])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = to_ras @ turn, to_ras @ image.GetOrigin()
    data = SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0).astype(np.float32)
    return nib.Nifti1Image(data, affine)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--body", nargs="+", choices=("liver", "head"), default=["liver", "head"])
    parser.add_argument("--train", type=int, default=12)
    parser.add_argument("--tried", type=int, default=8)
    parser.add_argument("--visits", type=int, default=3)
    parser.add_argument("--voxel-mm", type=float, default=2.5)
    parser.add_argument("--patch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--passes", type=int, default=4)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--data", type=Path)
    asked = parser.parse_args()
    console = Console(width=150)
    table = Table(
        "body", "seed", "Dice, mean (least)", f"lesions of {MEASURABLE_MM:g} mm seen",
        "false an image", "volume", "agreement where Dice < .9 / else", "kappa, network",
        "kappa, true masks", "CPU s: training, an image",
    )  # fmt: skip
    networks = {}
    for body in asked.body:
        bids = asked.folder / f"{body}-tried"
        write_follow_ups(
            bids, organ=body, patients=asked.tried, visits=asked.visits, seed=TRIED_SEED,
            voxel_mm=(asked.voxel_mm,) * 3,
        )  # fmt: skip
        for seed in asked.seeds:
            out = trained(asked, body, seed, console)
            network = networks[body] = ready_network(out, device=asked.device)
            result = tried(network, bids, asked.passes)
            dice, agreed = np.array(result.dice), np.array(result.agreements)
            poor, good = agreed[dice < 0.9], agreed[dice >= 0.9]
            kappas = [
                agreement(result.true, by, result.people).kappa
                for by in (result.by_network, result.by_truth)
            ]
            table.add_row(
                body, str(seed), f"{dice.mean():.3f} ({dice.min():.3f})",
                f"{sum(result.seen)} of {len(result.seen)}", f"{result.false / len(dice):.2f}",
                f"{np.mean(result.volumes):+.1f} %, SD {np.std(result.volumes):.1f}",
                " / ".join(f"{v.mean():.2f} (n={len(v)})" if len(v) else "-" for v in (poor, good)),
                *(f"{k.value:.2f} ({k.low:.2f} to {k.high:.2f})" for k in kappas),
                f"{network.card.about['trained_in']['cpu_s']:.0f}, {result.cpu_s / len(dice):.1f}",
            )  # fmt: skip
    console.print(table)
    if asked.data:
        console.print(real_tumours(networks, asked.data, asked.passes))


if __name__ == "__main__":
    main()
