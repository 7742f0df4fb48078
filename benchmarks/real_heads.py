r"""The whole built-in engine on real heads: mask, head size, structures, quality checks and CPU seconds.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 \
        python benchmarks/real_heads.py DATA --masks FOLDER --kept FOLDER [--heads chris xa01]

``DATA`` is the folder of real images. Every head is preprocessed and measured with the settings that
a study has without choosing any. Brain masks of the data's ``references`` and FOLDER/<head>_deepbet.nii.gz
are the references of mask and TIV; a network's or FastSurfer's labels are those of the structures (error of the
volume, both sides together). Figures, markers and quality records stay in the folder ``--kept``; a head that is
there already is not computed again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from brain_masks import HEADS, OASIS, cortex_of, on_grid, reference_of
from rich.console import Console
from rich.table import Table

from commissure.anat.builtin.border import signed_distance
from commissure.anat.builtin.preprocess import preprocess
from commissure.anat.derivatives import AnatMeasured
from commissure.anat.measure import measure
from commissure.anat.settings import AnatMeasureSettings, AnatPreprocessSettings
from commissure.images.anat_files import AnatFiles
from commissure.images.atlas import structures
from commissure.images.load import load_image, voxel_volume_mm3, zooms_mm
from commissure.names import Scan, sidecar_path

#: In the table, with what it is called there.
SHOWN = {
    "Hippocampus": "hippocampus", "Amygdala": "amygdala", "Thalamus": "thalamus",
    "Caudate": "caudate", "Putamen": "putamen", "Pallidum": "pallidum",
    "LateralVentricle": "ventricles",
}  # fmt: skip

#: FreeSurfer's numbers of the choroid plexus, which lies in the lateral ventricle.
PLEXUS = (31, 63)


def measured(name: str, path: Path, folder: Path) -> tuple[Scan, float]:
    """Preprocess and measure a head, unless it is there; CPU seconds."""
    scan = Scan(path, {"sub": name}, "T1w")
    spent = folder / f"{name}_cpu.json"
    if not spent.exists():
        begin = time.process_time()
        preprocess(scan, folder / name, settings=AnatPreprocessSettings())
        measure(scan, folder / name, settings=AnatMeasureSettings())
        spent.write_text(json.dumps(time.process_time() - begin))
    return scan, float(json.loads(spent.read_text()))


def mask_row(name: str, data: Path, masks: Path | None, mask: nib.Nifti1Image) -> list[str]:
    """Litres, Dice, error of the volume and share of the cortex that is cut off."""
    inside = np.asanyarray(mask.dataobj) > 0
    row = [f"{inside.sum() * voxel_volume_mm3(mask.affine) / 1e6:.3f}", "", "", ""]
    reference = reference_of(name, data, masks, mask)
    if reference is not None:
        row[1] = f"{2 * (inside & reference).sum() / (inside.sum() + reference.sum()):.3f}"
        row[2] = f"{100 * (inside.sum() / reference.sum() - 1):+.1f}"
    cortex = cortex_of(name, data, mask)
    if cortex is not None:
        away = signed_distance(inside, zooms_mm(mask.affine))
        row[3] = f"{100 * (away[cortex] > 3).mean():.3f}"
    return row


def structure_row(
    name: str, data: Path, aseg: nib.Nifti1Image, volumes: dict[str, float]
) -> list[str]:
    """Dice and error of the volume of each structure, or nothing where there is no reference."""
    freesurfer = name.startswith("oas")
    path = data / "references" / f"{name}_desc-network18_dseg.nii.gz"
    if freesurfer:
        path = data / f"{OASIS}{name[-1]}_desc-aparcDKTaseg_dseg.nii.gz"
    if not path.exists():
        return [""] * len(SHOWN)
    table = structures().labels.set_index("name")
    labels = on_grid(path, aseg, order=0)
    found = np.asanyarray(aseg.dataobj)
    reference_image = nib.load(path)
    native = np.asanyarray(reference_image.dataobj)
    row = []
    for structure in SHOWN:
        sides = [f"{structure}_{side}" for side in "LR"]
        wanted = [int(table.loc[s, "index" if freesurfer else "class"]) for s in sides]
        if structure == "LateralVentricle" and freesurfer:
            wanted += PLEXUS
        true, mine = (
            np.isin(labels, wanted),
            np.isin(found, [int(table.loc[s, "index"]) for s in sides]),
        )
        dice = 2 * (true & mine).sum() / max(1, true.sum() + mine.sum())
        size = np.isin(native, wanted).sum() * voxel_volume_mm3(reference_image.affine)
        row.append(f"{dice:.2f} {100 * (sum(volumes[s] for s in sides) / size - 1):+.0f}%")
    return row


def checks_of(scan: Scan, folder: Path) -> tuple[list[str], str]:
    """Flags of a head, and every check with its value."""
    record = json.loads(AnatMeasured.of(scan, folder).quality.read_text())
    values = {check["name"]: check["value"] for check in record["checks"]}
    words = "  ".join(f"{k} {v:.3g}" for k, v in values.items() if v is not None)
    return [f"{flag} {values[flag]:.3g}" for flag in record["flags"]], words


def main() -> None:
    """Run the heads; print the table, then each head's checks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    parser.add_argument("--masks", type=Path, help="folder of <head>_deepbet.nii.gz")
    parser.add_argument("--kept", type=Path, help="folder that keeps what is computed")
    given = parser.parse_args()
    columns = ["head", "mm", "litres", "Dice", "TIV %", "cortex lost %", *SHOWN.values()]
    table = Table(*columns, "flags", "CPU s", title="Real heads, one thread")
    console = Console(width=200)
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.kept or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for name in given.heads:
            scan, seconds = measured(name, given.data / HEADS[name], folder)
            files = AnatFiles.of(scan, folder / name)
            mask, aseg = (load_image(path, who=name, ndim=3) for path in (files.mask, files.aseg))
            volumes = json.loads(sidecar_path(files.aseg).read_text())["VolumesMm3"]
            flags, words = checks_of(scan, folder / name)
            console.print(f"{name}: {words}\n", highlight=False)
            size = " x ".join(dict.fromkeys(f"{mm:.2g}" for mm in zooms_mm(mask.affine)))
            table.add_row(
                name, size, *mask_row(name, given.data, given.masks, mask),
                *structure_row(name, given.data, aseg, volumes), ", ".join(flags) or "none", f"{seconds:.0f}",
            )  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    main()
