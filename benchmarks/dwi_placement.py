r"""How a diffusion series lies beside its T1w image, and whether what is wrong is told.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 \
        python benchmarks/dwi_placement.py FOLDER [DATASET ...] [--people sub-01 ...] [--enigma AVERAGES.csv]

For each person with both images: the correlation of FA with white matter as the header says and as
the series was laid; the checks with shifts planted, with the T1w image mirrored, and with the T1w
images of the others; how much of a uniform loss of 0.02 in FA each tract measures; tract FA without
the T1w image against FA with it, with labels and white matter exchanged together and each alone; and
tract FA against a table of ENIGMA's. Without a dataset two people are simulated. What is computed stays in FOLDER.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

import nibabel as nib
import numpy as np
import pandas as pd

from commissure.anat.builtin.preprocess import preprocess as preprocess_anat
from commissure.anat.settings import AnatSettings
from commissure.dataset.index import build_index
from commissure.dataset.tree import tree_of
from commissure.dwi.builtin.preprocess import preprocess
from commissure.dwi.derivatives import read_preprocessed
from commissure.dwi.quality import T1W_LIKENESS_MIN, T1W_OFFSET_MAX_MM
from commissure.dwi.settings import DwiSettings
from commissure.dwi.t1w_placement import AnisotropyMap, find_placement, judge_placement
from commissure.dwi.tensor import fit_tensor
from commissure.dwi.tensor_volumes import tensor_volumes
from commissure.dwi.tracts import tract_average
from commissure.dwi.white_matter import WhiteMatter, from_anatomy, from_template_white_matter
from commissure.images.anat_files import AnatFiles
from commissure.images.atlas import jhu_dti81
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.dataset import write_person
from commissure.phantom.protocol import chosen_protocol

Maps = tuple[nib.Nifti1Image, nib.Nifti1Image]


def simulated(folder: Path) -> Path:
    """Two simulated people."""
    request = CohortRequest(controls=2, responsive=0, resistant=0, sites=1, missing=0.0, seed=4)
    for person in draw_cohort(request):
        if not (folder / person.participant_id).is_dir():
            who = replace(person, modalities=frozenset({"anat", "dwi"}))
            write_person(folder, who, chosen_protocol("tiny"))
    return folder


def verdict(anisotropy: AnisotropyMap, maps: Maps) -> tuple[str, bool]:
    """The numbers of the checks, and whether they pass."""
    fit = judge_placement(anisotropy, *maps)
    gain = fit.likeness - fit.mirrored_likeness
    passed = fit.offset_mm <= T1W_OFFSET_MAX_MM and gain >= T1W_LIKENESS_MIN
    words = f"r {fit.correlation:.3f}, offset {fit.offset_mm:4.1f} mm, over mirrored {gain:+.3f}"
    return f"{words}: {'passes' if passed else 'flagged'}", passed


def moved(anisotropy: AnisotropyMap, matrix: np.ndarray) -> AnisotropyMap:
    return replace(anisotropy, affine=matrix @ anisotropy.affine)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("datasets", type=Path, nargs="*")
    parser.add_argument("--people", nargs="*", help="people, else all with both images")
    parser.add_argument("--enigma", type=Path, help="columns Tract and Average")
    given = parser.parse_args()
    heads: dict[str, AnatFiles] = {}
    series = []
    for dataset in given.datasets or [simulated(given.folder / "bids")]:
        for entry in build_index(dataset, tree_of(dataset)):
            if not entry.used or (given.people and entry.participant_id not in given.people):
                continue
            scan, out = entry.scan_in(dataset), given.folder / entry.participant_id
            if entry.modality == "anat":
                heads[entry.participant_id] = AnatFiles.of(scan, out)
                if not heads[entry.participant_id].complete():
                    preprocess_anat(scan, out, settings=AnatSettings())
            elif entry.modality == "dwi":
                series.append((entry.participant_id, scan, out))
    whites = {who: tuple(nib.load(p) for p in (a.wm, a.mask)) for who, a in heads.items()}
    for person, scan, out in series:
        if person in heads:
            one_series(person, scan, out, heads[person], whites, given.enigma)


def one_series(person, scan, out, anat, whites, enigma) -> None:
    """All lines of one series."""
    settings = DwiSettings()
    out.mkdir(parents=True, exist_ok=True)
    preprocess(scan, out, anat=anat, settings=settings)
    data = read_preprocessed(scan, out, in_t1w=True, b0_max_b_s_mm2=settings.b0_max_b_s_mm2)
    chosen = tensor_volumes(data.gradients, max_b_s_mm2=1500, b0_max_b_s_mm2=50)
    maps = fit_tensor(data.data[..., chosen], data.gradients.subset(chosen), data.mask, robust=True)
    anisotropy = AnisotropyMap.of(maps, data.mask, data.affine)
    print(f"== {scan.path.name}")
    header = moved(anisotropy, np.array(data.sidecar["MatrixT1wToDwi"]))
    print(f"   as the header says        {verdict(header, whites[person])[0]}")
    print(f"   as it was laid            {verdict(anisotropy, whites[person])[0]}", flush=True)
    for axis in range(3):
        for mm in (4, 6, 10):
            shift = np.eye(4)
            shift[axis, 3] = mm
            words, _ = verdict(moved(anisotropy, shift), whites[person])
            print(f"   {mm:2d} mm along {'xyz'[axis]}            {words}", flush=True)
    for other, (white, mask) in whites.items():
        for mirrored in (False, True):
            if other == person and not mirrored:
                continue
            both = (white, mask)
            if mirrored:
                flip = np.diag([-1.0, 1, 1, 1])
                flip[0, 3] = 2 * (white.affine @ [*(np.array(white.shape) - 1) / 2, 1])[0]
                both = tuple(nib.Nifti1Image(i.dataobj, flip @ i.affine) for i in both)
            back = np.linalg.inv(find_placement(anisotropy, *both).matrix)
            name = f"{other}{' mirrored' if mirrored else ''}"
            print(f"   T1w of {name:19s}{verdict(moved(anisotropy, back), both)[0]}", flush=True)
    white = from_anatomy(data.mask.shape, data.affine, anat, jhu_dti81())
    share = white.tissue["WM"]
    weight = np.where(data.mask & (share >= settings.tract_wm_min), share, 0)
    lost = np.clip(maps.fa - 0.02, 0, None)
    rows = {}
    for tract, label in white.shares.items():
        before, after = (tract_average(fa, label, weight) for fa in (maps.fa, lost))
        if before.voxels >= settings.tract_voxels_min:
            rows[tract] = (before.value, before.voxels, 100 * (before.value - after.value) / 0.02)
    table = pd.DataFrame(rows, index=["fa", "voxels", "percent"]).T
    large = table[table["voxels"] >= 50]["percent"]
    if len(large):
        print(
            f"   a loss of 0.02, in {len(large)} tracts: {large.min():.1f} % to {large.max():.1f} %"
        )
    without_t1w(maps, data, white, settings)
    if enigma:
        known = pd.read_csv(enigma).set_index("Tract")["Average"]
        known.index = [name.replace("-", "_") for name in known.index]
        both = table.join(known.rename("enigma"), how="inner")
        off = both["fa"] - both["enigma"]
        print(
            f"   {len(both)} tracts against {enigma.name}: mean {off.mean():+.3f}, largest "
            f"{off.abs().max():.3f}, r {both['fa'].corr(both['enigma']):.2f}"
        )
        print(both.round(3).to_string())


def without_t1w(maps, data, white: WhiteMatter, settings: DwiSettings) -> None:
    """How tract FA differs where FA itself, not the T1w image, carries labels and white matter."""
    with tempfile.TemporaryDirectory() as folder:
        alone = from_template_white_matter(
            maps, data.mask, data.affine, jhu_dti81(),
            forward=Path(folder) / "forward.h5", inverse=Path(folder) / "inverse.h5",
        )  # fmt: skip

    def fa(labels: WhiteMatter, tissue: WhiteMatter) -> pd.DataFrame:
        share = tissue.tissue["WM"]
        weight = np.where(data.mask & (share >= settings.tract_wm_min), share, 0)
        averages = {t: tract_average(maps.fa, s, weight) for t, s in labels.shares.items()}
        return pd.DataFrame({t: (a.value, a.voxels) for t, a in averages.items()}).T

    known = fa(white, white)
    for name, labels, tissue in (
        ("white matter", white, alone), ("labels", alone, white), ("both", alone, alone),
    ):  # fmt: skip
        other = fa(labels, tissue)
        off = (other[0] - known[0])[(known[1] >= 20) & (other[1] >= 20)]
        if len(off):
            print(
                f"   {name} without the T1w, {len(off)} tracts: median {off.median():+.3f}, "
                f"without sign {off.abs().median():.3f}, largest {off.abs().max():.3f}"
            )


if __name__ == "__main__":
    main()
