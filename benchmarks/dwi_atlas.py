r"""Whether the tracts of the atlas lie where fibres are: on a template of FA, and on real people.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 \
        python benchmarks/dwi_atlas.py [--fa-template IMAGE] [--registered]
                                       [--data FOLDER --out FOLDER [--only sub-bn01 ...]]

`--fa-template` is a mean FA image in FSL's MNI space at 1 mm, as FMRIB58 or ENIGMA-DTI's: the labels
are brought back to the place that their file has there. With `--registered` the image is also
registered to the template's white matter (half a minute), and the labels that it carries along are
compared with those of the atlas. `--data` is a folder with the datasets `bids` and `bids-more`: every
diffusion series in them goes through the room, with the T1w of its person where there is one (that of
`sub-ui01` is of another head and left out); its figures lie below `--out`.

The tables have, for every tract and for all of them, mean FA, the share of the label's voxels with FA
above 0.25, and the difference of both sides.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

import nibabel as nib
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from commissure.anat.builtin.preprocess import preprocess as preprocess_anat
from commissure.anat.settings import AnatSettings
from commissure.dataset.index import build_index
from commissure.dataset.tree import tree_of
from commissure.dwi.builtin.preprocess import preprocess
from commissure.dwi.derivatives import DwiMeasured, read_preprocessed
from commissure.dwi.enigma_names import PAIRED
from commissure.dwi.measure import measure
from commissure.dwi.settings import DwiSettings
from commissure.dwi.tensor import fit_tensor
from commissure.dwi.tensor_volumes import tensor_volumes
from commissure.dwi.tracts import empty_on, finer_grid, label_shares, parts_for
from commissure.errors import CommissureError
from commissure.images.anat_files import AnatFiles
from commissure.images.atlas import jhu_dti81
from commissure.images.grid import resample_to
from commissure.images.registration import apply_transform, register
from commissure.images.template import template

ANISOTROPIC = 0.25
#: By how much the labels were moved from FSL's place to the template's, mm.
MOVED_MM = np.array([-0.5, 1.0, 0.0])
#: People whose T1w image is somebody else's: its gyri are no more like those in FA than a stranger's.
STRANGE_T1W = ("sub-ui01",)


def averages(fa: np.ndarray, shares: dict[str, np.ndarray]) -> pd.DataFrame:
    """Voxels, mean FA and share of anisotropic voxels of each tract, whose share is at least half."""
    rows = {}
    for tract, share in shares.items():
        inside = fa[share >= 0.5]
        rows[tract] = (
            len(inside),
            inside.mean() if len(inside) else np.nan,
            (inside > ANISOTROPIC).mean() if len(inside) else np.nan,
        )
    return pd.DataFrame(rows, index=["voxels", "fa", "share"]).T


def shown(measured: pd.DataFrame, title: str) -> Table:
    """Both sides of a tract in a row, and their difference."""
    table = Table(title=title)
    for name in ("tract", "voxels", "FA left", "FA right", "share left", "share right", "L - R"):
        table.add_column(name, justify="left" if name == "tract" else "right")
    weights = measured["voxels"]
    all_tracts = (measured[["fa", "share"]].mul(weights, axis=0)).sum() / weights.sum()
    for tract in [t for t in measured.index if "_" not in t] + list(PAIRED):
        if tract in measured.index:
            row = measured.loc[tract]
            table.add_row(
                tract, f"{row.voxels:.0f}", f"{row.fa:.2f}", "", f"{row.share:.0%}", "", ""
            )
        else:
            left, right = measured.loc[f"{tract}_L"], measured.loc[f"{tract}_R"]
            if not left.voxels or not right.voxels:
                table.add_row(tract, "outside of the image or the brain")
                continue
            table.add_row(
                tract, f"{left.voxels:.0f}, {right.voxels:.0f}", f"{left.fa:.2f}",
                f"{right.fa:.2f}", f"{left.share:.0%}", f"{right.share:.0%}",
                f"{left.fa - right.fa:+.2f}",
            )  # fmt: skip
    table.add_row(
        "all", f"{weights.sum():.0f}", f"{all_tracts['fa']:.2f}", "", f"{all_tracts['share']:.0%}"
    )
    return table


def on_fa_template(image: nib.Nifti1Image) -> nib.Nifti1Image:
    """The atlas's labels on the grid of an image in FSL's MNI space."""
    atlas = jhu_dti81().image
    affine = atlas.affine.copy()
    affine[:3, 3] -= MOVED_MM
    labels = nib.Nifti1Image(np.asanyarray(atlas.dataobj).astype(np.float32), affine)
    return nib.Nifti1Image(
        resample_to(labels, image.shape, image.affine, order=0).astype(np.float32), image.affine
    )


def template_table(path: Path, console: Console, *, registered: bool) -> None:
    image = nib.load(path)
    fa = np.asanyarray(image.dataobj, dtype=float)
    fa = fa / (10000 if fa.max() > 2 else 1)
    labels = on_fa_template(image)
    numbers = np.asanyarray(labels.dataobj).astype(int)
    groups = jhu_dti81().groups("tract")
    shares = {tract: np.isin(numbers, of).astype(float) for tract, of in groups.items()}
    console.print(shown(averages(fa, shares), f"the atlas on {path.name}"))
    if registered:
        with tempfile.TemporaryDirectory() as folder:
            forward, inverse = (Path(folder) / f"{n}.h5" for n in ("forward", "inverse"))
            register(
                template("WM", resolution_mm=2.0), nib.Nifti1Image(fa.astype(np.float32), image.affine),
                kind="syn", forward=forward, inverse=inverse, syn_metric="mattes",
            )  # fmt: skip
            moved = apply_transform(
                labels, template("WM"), [forward], interpolation="nearestNeighbor"
            )
        console.print(against_registered(np.rint(np.asanyarray(moved.dataobj)).astype(int)))


def against_registered(carried: np.ndarray) -> Table:
    """How far labels that registration carried to the template lie from those of the atlas."""
    grid, here = template("WM"), np.asanyarray(jhu_dti81().image.dataobj).astype(int)
    white = np.asanyarray(grid.dataobj)
    table = Table(title="labels carried by registration, beside the atlas's")
    for name in ("tract", "Dice", "off by mm (x, y, z)", "white matter: atlas", "registered"):
        table.add_column(name, justify="left" if name == "tract" else "right")
    for tract, of in jhu_dti81().groups("tract").items():
        ours, theirs = np.isin(here, of), np.isin(carried, of)
        off = grid.affine[:3, :3] @ (np.argwhere(theirs).mean(0) - np.argwhere(ours).mean(0))
        table.add_row(
            tract, f"{2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()):.2f}",
            ", ".join(f"{mm:+.1f}" for mm in off),
            f"{white[ours].mean():.2f}", f"{white[theirs].mean():.2f}",
        )  # fmt: skip
    return table


def real_tables(data: Path, out: Path, only: list[str], console: Console) -> None:
    """Every diffusion series of the datasets, through the room."""
    settings = DwiSettings()
    for dataset in ("bids", "bids-more"):
        folder = data / dataset
        entries = list(build_index(folder, tree_of(folder)))
        for entry in entries:
            if entry.modality != "dwi" or (only and entry.participant_id not in only):
                continue
            scan = entry.scan_in(folder)
            heads = [
                e for e in entries
                if e.modality == "anat" and e.participant_id == entry.participant_id
                and e.participant_id not in STRANGE_T1W
            ]  # fmt: skip
            start = time.process_time()
            try:
                anat = None
                if heads:
                    head = heads[0].scan_in(folder)
                    place = out / entry.participant_id / "anat"
                    place.mkdir(parents=True, exist_ok=True)
                    anat = AnatFiles.of(head, place)
                    if not anat.complete():
                        preprocess_anat(head, place, settings=AnatSettings())
                measured = one_series(scan, out / entry.participant_id / "dwi", anat, settings)
            except CommissureError as error:
                console.print(f"{scan.path.name}: {error}")
                continue
            seconds = time.process_time() - start
            with_t1w = "with its T1w" if anat else "without a T1w"
            console.print(shown(measured, f"{scan.path.name}, {with_t1w}, {seconds:.0f} CPU s"))


def one_series(scan, place: Path, anat: AnatFiles | None, settings: DwiSettings) -> pd.DataFrame:
    place.mkdir(parents=True, exist_ok=True)
    files = DwiMeasured.of(scan, place)
    preprocess(scan, place, anat=anat, settings=settings)
    measure(scan, place, anat=anat, settings=settings)
    series = read_preprocessed(
        scan, place, in_t1w=anat is not None, b0_max_b_s_mm2=settings.b0_max_b_s_mm2
    )
    chosen = tensor_volumes(
        series.gradients, max_b_s_mm2=settings.tensor_max_b_s_mm2,
        b0_max_b_s_mm2=settings.b0_max_b_s_mm2,
    )  # fmt: skip
    maps = fit_tensor(series.data[..., chosen], series.gradients.subset(chosen), series.mask)
    carrier = anat.from_template if anat is not None and series.space else files.from_template
    parts = parts_for(series.affine)
    labels = apply_transform(
        jhu_dti81().image, empty_on(*finer_grid(series.mask.shape, series.affine, parts)),
        [carrier], interpolation="nearestNeighbor",
    )  # fmt: skip
    shares = label_shares(np.asanyarray(labels.dataobj), jhu_dti81().groups("tract"), parts)
    # Where the images end, or the brain, there is no FA.
    return averages(maps.fa, {tract: share * series.mask for tract, share in shares.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fa-template", type=Path)
    parser.add_argument("--registered", action="store_true")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    console = Console(width=120)
    if given.fa_template:
        template_table(given.fa_template, console, registered=given.registered)
    if given.data:
        real_tables(given.data, given.out, given.only, console)


if __name__ == "__main__":
    main()
