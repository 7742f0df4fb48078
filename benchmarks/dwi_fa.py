r"""Where the anisotropy of the tracts is lost on the way from the head to the marker, stage by stage.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 \
        python benchmarks/dwi_fa.py FOLDER [--preset clinical] [--people 2] [--first 1] [--of 20]
                                    [--seed 11] [--stages ...] [--set name=value ...] [--keep]

The same person is measured again and again, each time with one more thing that goes wrong; what has
not gone wrong yet is the truth (labels and tissues included). The table has FA - truth over tracts,
with partial volumes left in and with them subtracted, r between people within a tract (the median
tract's, and of all tracts together), and CPU seconds of the room. With the stages `voxels` and `labels`
a second table compares the last one with what voxels of this size can have of the truth: FA of the
series without noise, movement and distortion in the true labels, partial volumes left in. What is
simulated stays in FOLDER and serves the next run; with `--keep` so does what is preprocessed.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

import nibabel as nib
import numpy as np
import pandas as pd
import yaml
from rich.console import Console
from rich.table import Table

from commissure.anat.builtin.preprocess import preprocess as preprocess_anat
from commissure.anat.settings import AnatSettings
from commissure.dataset.index import build_index
from commissure.dataset.tree import tree_of
from commissure.dwi import measure as measuring
from commissure.dwi.builtin.preprocess import preprocess
from commissure.dwi.enigma_names import AVERAGES
from commissure.dwi.gradients import Gradients
from commissure.dwi.measure import measure
from commissure.dwi.partial_volume import white_matter_signal
from commissure.dwi.settings import DwiSettings
from commissure.dwi.tensor import fit_tensor
from commissure.dwi.tracts import finer_grid, label_shares, parts_for, tract_average
from commissure.dwi.white_matter import WhiteMatter
from commissure.images.anat_files import AnatFiles
from commissure.images.atlas import Atlas, jhu_dti81
from commissure.images.grid import block_means, resample_to
from commissure.names import Scan
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.cohort.visits import draw_scans
from commissure.phantom.dataset import HEAD_STREAM, write_person
from commissure.phantom.head.anatomy import Anatomy, draw_anatomy
from commissure.phantom.head.deformation import labels_at
from commissure.phantom.head.fibres import tract_numbers, tracts_at
from commissure.phantom.person import Person
from commissure.phantom.protocol import Protocol, chosen_protocol
from commissure.phantom.scanner import dwi as simulator
from commissure.phantom.scanner.echo_planar import fine_head, voxel_means
from commissure.phantom.scanner.simulator import random_streams
from commissure.rows import read_markers

#: What goes wrong from each stage on: the movement, then fields of the protocol.
STAGES: Mapping[str, tuple[bool, tuple[str, ...]]] = {
    "clean": (False, ()),
    "noise": (False, ("dwi.snr",)),
    "movement": (True, ("dwi.snr",)),
    "eddies": (True, ("dwi.snr", "dwi.eddy_mm")),
    "susceptibility": (True, ("dwi.snr", "dwi.eddy_mm", "off_resonance_hz", "dwi.reversed_b0s")),
}
WORDS = {
    "voxels": "voxels: partial volume, crossings, the fit",
    "clean": "laid beside the T1w, interpolated once",
    "noise": "noise, denoised",
    "movement": "movement and dropouts, realigned",
    "eddies": "eddy currents",
    "susceptibility": "susceptibility",
    "labels": "labels and tissues of the anat room: all",
}
PERFECT = {"dwi.snr": 1e5, "dwi.eddy_mm": 0.0, "off_resonance_hz": 0.0, "dwi.reversed_b0s": 0}


def people_of(number: int, first: int, seed: int, of: int | None = None) -> list[Person]:
    """Some people of a cohort, drawn as in `recovery_clinical.py`."""
    count = of or first + number - 1
    controls = count // 5
    resistant = (count - controls) // 2
    request = CohortRequest(
        controls=controls, responsive=count - controls - resistant, resistant=resistant,
        sites=1, missing=0.0, seed=seed,
    )  # fmt: skip
    return draw_scans(draw_cohort(request), request)[first - 1 : first - 1 + number]


def scans_of(folder: Path) -> dict[str, Scan]:
    return {e.modality: e.scan_in(folder) for e in build_index(folder, tree_of(folder))}


def simulated(folder: Path, person: Person, protocol: Protocol, stage: str) -> dict[str, Scan]:
    """The person's scans with what goes wrong up to a stage."""
    moving, wrong = STAGES[stage]
    kept = {name: value for name, value in PERFECT.items() if name not in wrong}
    out = folder / stage
    modalities = {"anat", "dwi"} if stage == "susceptibility" else {"dwi"}
    if not (out / f"sub-{person.participant_id.removeprefix('sub-')}/dwi").is_dir():
        who = replace(person, modalities=frozenset(modalities))
        with ExitStack() as still:
            if not moving:
                who = replace(who, motion_scale_mm=0.0)
                still.enter_context(patch.object(simulator, "DROPOUT_RATE", 0.0))
            write_person(out, who, protocol.changed(kept))
    return scans_of(out)


def true_white_matter(head: Anatomy) -> Callable[..., WhiteMatter]:
    """Stands in for :func:`commissure.dwi.white_matter.from_anatomy`."""

    def at(shape: tuple[int, int, int], affine: np.ndarray, *_: AnatFiles | Atlas) -> WhiteMatter:
        parts = parts_for(affine)
        fine_shape, fine = finer_grid(shape, affine, parts)
        truth = labels_at(jhu_dti81().image, head.template_mm)
        labels = resample_to(nib.Nifti1Image(truth, head.affine), fine_shape, fine, order=0)
        tissue = {
            name.upper(): block_means(
                resample_to(nib.Nifti1Image(getattr(head, name), head.affine), fine_shape, fine),
                parts,
            )
            for name in ("wm", "gm", "csf")
        }
        return WhiteMatter(
            label_shares(labels, jhu_dti81().groups("tract"), parts), tissue, "truth", ()
        )

    return at


def at_the_voxels(
    head: Anatomy,
    protocol: Protocol,
    scan: Scan,
    since: np.ndarray,
    settings: DwiSettings,
    *,
    subtracted: bool,
) -> dict[str, float]:
    """FA of the clean series on the acquired grid, in the true tracts."""
    image = nib.load(scan.path)
    fine = fine_head(head, protocol.dwi.voxel_mm, pose=since)
    numbers = tracts_at(fine.template_mm.reshape(-1, 3)).reshape(fine.template_mm.shape[:3])
    shares = {name.upper(): voxel_means(fine.maps[name]) for name in ("wm", "gm", "csf")}
    b = np.loadtxt(scan.associated["bval"])
    vectors = np.loadtxt(scan.associated["bvec"]).T
    axes = fine.affine[:3, :3] / protocol.dwi.voxel_mm
    flip = np.where(np.linalg.det(axes) > 0, -1.0, 1.0)
    gradients = Gradients(b, (vectors * [flip, 1, 1]) @ axes.T)
    core = shares["WM"] >= settings.tract_wm_min
    series = np.asanyarray(image.dataobj)
    if subtracted:
        brain = sum(shares.values()) > 0.5
        series, core = white_matter_signal(
            series, gradients, shares, brain, fine.affine, white_min=settings.tract_wm_min
        )
    maps = fit_tensor(series, gradients, core)
    weight = np.where(core, shares["WM"], 0)
    found = {}
    for number, name in enumerate(tract_numbers()[1]):
        average = tract_average(maps.fa, voxel_means((numbers == number).astype(float)), weight)
        if average.voxels >= settings.tract_voxels_min:
            found[name] = average.value
    return found


def fa_of(path: Path) -> dict[str, float]:
    table = read_markers(path)
    table = table[(table["marker"] == "fa") & ~table["region"].isin(["WM", *AVERAGES])]
    return dict(zip(table["region"], table["value"], strict=True))


def ladder(
    folder: Path,
    person: Person,
    protocol: Protocol,
    settings: DwiSettings,
    stages: list[str],
    *,
    keep: bool = False,
) -> pd.DataFrame:
    """FA - truth by stage and tract, and the room's CPU seconds."""
    head = None
    rows = []
    folder = folder / person.participant_id
    full = simulated(folder, person, protocol, "susceptibility")
    truth = fa_of(
        folder / f"susceptibility/sourcedata/truth/{person.participant_id}"
        f"/{person.participant_id}_markers.tsv"
    )
    anat_folder = folder / "out/anat"
    files = AnatFiles.of(full["anat"], anat_folder)
    if not files.complete():
        preprocess_anat(full["anat"], anat_folder, settings=AnatSettings())
    for stage in stages:
        if head is None and stage != "labels":
            # The stream that `write_person` draws the anatomy from.
            head = draw_anatomy(person, protocol, random_streams(person, HEAD_STREAM).lasting)
        seconds = 0.0
        found: dict[bool, dict[str, float]] = {}
        if stage == "voxels":
            scan = simulated(folder, person, protocol, "clean")["dwi"]
            truth_file = folder / f"clean/sourcedata/truth/{person.participant_id}"
            since = yaml.safe_load(
                (truth_file / f"{person.participant_id}_acquisition.json").read_text()
            )["dwi"]["since_t1w_mm_rad"]
            for subtracted in (False, True):
                found[subtracted] = at_the_voxels(
                    head, protocol, scan, np.array(since), settings, subtracted=subtracted
                )
        else:
            real = stage == "labels"
            wrong_until = "susceptibility" if real else stage
            scan = simulated(folder, person, protocol, wrong_until)["dwi"]
            moving, wrong = STAGES[wrong_until]
            changed = {} if "dwi.snr" in wrong else {"denoise": "none"}
            own = settings.model_copy(update={**changed, "realign": settings.realign and moving})
            out = folder / "out" / wrong_until
            out.mkdir(parents=True, exist_ok=True)
            start = time.process_time()
            there = (out / scan.derivative("dwi", ".json", space="T1w", desc="preproc")).exists()
            if not (keep and there):
                preprocess(scan, out, anat=files, settings=own)
            for subtracted in (False, True):
                own = own.model_copy(update={"subtract_partial_volume": subtracted})
                with ExitStack() as stack:
                    if not real:
                        stack.enter_context(
                            patch.object(measuring, "from_anatomy", true_white_matter(head))
                        )
                    measure(scan, out, anat=files, settings=own)
                if not subtracted:
                    seconds = time.process_time() - start
                found[subtracted] = fa_of(out / scan.derivative("markers", ".tsv"))
        for subtracted, values in found.items():
            # Means of both sides and of compounds have no truth of their own.
            values = {tract: value for tract, value in values.items() if tract in truth}
            rows += [
                (person.participant_id, stage, subtracted, tract, truth[tract], value, seconds)
                for tract, value in values.items()
            ]
            off = np.array([value - truth[tract] for tract, value in values.items()])
            print(
                f"{person.participant_id} {stage} {'subtracted' if subtracted else 'left in'}: "
                f"median {np.median(off):+.3f}, SD {off.std():.3f}, {seconds:.0f} s",
                flush=True,
            )
    columns = ["person", "stage", "subtracted", "tract", "true", "found", "cpu_s"]
    return pd.DataFrame(rows, columns=columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--preset", default="clinical")
    parser.add_argument("--people", type=int, default=2)
    parser.add_argument("--first", type=int, default=1, help="number of the first person")
    parser.add_argument("--of", type=int, help="size of the cohort that they are drawn from")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--voxel-mm", type=float, help="edge of the voxels, else the preset's")
    parser.add_argument("--stages", nargs="*", choices=list(WORDS), default=list(WORDS))
    parser.add_argument("--set", nargs="*", default=[], help="settings, as gibbs=true")
    parser.add_argument("--keep", action="store_true", help="keep what is preprocessed")
    parser.add_argument("--table", type=Path, help="write every tract to this file")
    given = parser.parse_args()
    settings = DwiSettings(
        **{name: yaml.safe_load(value) for name, _, value in (s.partition("=") for s in given.set)}
    )
    protocol = chosen_protocol(
        given.preset, {"dwi.voxel_mm": given.voxel_mm} if given.voxel_mm else {}
    )
    people = people_of(given.people, given.first, given.seed, given.of)
    table = pd.concat(
        [
            ladder(given.folder, person, protocol, settings, given.stages, keep=given.keep)
            for person in people
        ]
    )
    if given.table:
        table.to_csv(given.table, sep="\t", index=False)
    Console().print(summary(table, f"FA - truth, {given.preset}, {len(people)} people"))
    if {"voxels", "labels"} <= set(given.stages):
        Console().print(summary(against_attainable(table), "FA - what the voxels can have"))


def against_attainable(table: pd.DataFrame) -> pd.DataFrame:
    """The last stage with FA of the voxels themselves, partial volumes left in, as the truth."""
    keys = ["person", "tract"]
    voxels = table[(table["stage"] == "voxels") & ~table["subtracted"]]
    last = table[(table["stage"] == "labels") & ~table["subtracted"]].drop(columns="true")
    return last.merge(voxels[[*keys, "found"]].rename(columns={"found": "true"}), on=keys)


def summary(table: pd.DataFrame, title: str) -> Table:
    """FA - truth by stage over the tracts that everyone has, and r between people."""
    shown = Table(title=title)
    for column in ("with", "voxels", "median", "5 % to 95 %", "SD", "r", "r >= 0.9", "r all", "s"):
        shown.add_column(column, justify="left" if column in ("with", "voxels") else "right")
    for (stage, subtracted), part in table.groupby(["stage", "subtracted"], sort=False):
        count = part["person"].nunique()
        own = part[part.groupby("tract")["person"].transform("nunique") == count]
        tracts = own.groupby("tract")
        off = tracts["found"].mean() - tracts["true"].mean()
        cells = ["", "", ""]
        if count > 2:
            r = pd.Series({name: own["true"].corr(own["found"]) for name, own in tracts})
            within = own[["true", "found"]] - tracts[["true", "found"]].transform("mean")
            good = f"{(r >= 0.9).sum()} of {len(r)}"
            cells = [f"{r.median():.2f}", good, f"{within.corr().iloc[0, 1]:.2f}"]
        shown.add_row(
            WORDS[str(stage)],
            "subtracted" if subtracted else "left in",
            f"{off.median():+.3f}",
            f"{off.quantile(0.05):+.3f} to {off.quantile(0.95):+.3f}",
            f"{off.std():.3f}",
            *cells,
            f"{own['cpu_s'].mean():.0f}",
        )
    return shown


if __name__ == "__main__":
    main()
