"""The engines `builtin` and `mrtrix3` side by side on measured diffusion series, one thread.

    python benchmarks/dwi_engines.py DATA [--people bn01 xa01] [--keep FOLDER] [--gibbs]

DATA holds ``bids`` and ``bids-more``. Both engines preprocess each series without its T1w image,
so that their voxels are the same, and the same measuring follows. What an engine left in FOLDER is
read again. MRtrix3 must be on the path.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import binary_erosion

from commissure.dataset.index import survey
from commissure.dataset.tree import tree_of
from commissure.dwi.builtin.preprocess import preprocess
from commissure.dwi.derivatives import DwiFiles, DwiMeasured, read_preprocessed
from commissure.dwi.gradients import Gradients
from commissure.dwi.measure import measure
from commissure.dwi.settings import DwiMeasureSettings, DwiPreprocessSettings
from commissure.dwi.tensor import fit_tensor
from commissure.dwi.tensor_volumes import tensor_volumes
from commissure.engines.mrtrix3 import preprocess as mrtrix3
from commissure.engines.mrtrix3.programs import check_programs, version
from commissure.images.registration import apply_transform
from commissure.images.template import template
from commissure.names import Scan
from commissure.rows import read_markers

ENGINES = {"builtin": preprocess, "mrtrix3": mrtrix3.preprocess}

#: Share of a voxel that must be white matter.
WHITE = 0.9


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--people", nargs="+", default=["bn01", "xa01"])
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--gibbs", action="store_true")
    arguments = parser.parse_args()
    check_programs()
    print(f"MRtrix3 {version()}, Gibbs ringing {'removed' if arguments.gibbs else 'left'}\n")
    with tempfile.TemporaryDirectory() as emptied:
        for person, scan in real_scans(arguments.data, set(arguments.people)):
            compare(person, scan, arguments.keep or Path(emptied), gibbs=arguments.gibbs)


def real_scans(data: Path, people: set[str]) -> Iterator[tuple[str, Scan]]:
    """Diffusion series of some people, as the index finds them."""
    for root in (data / "bids", data / "bids-more"):
        for entry in survey(root, tree_of(root))[0]:
            person = entry.participant_id.removeprefix("sub-")
            if entry.modality == "dwi" and entry.used and person in people:
                yield person, entry.scan_in(root)


def compare(person: str, scan: Scan, keep: Path, *, gibbs: bool) -> None:
    """Both engines on one series."""
    folders = {name: keep / f"{person}_{name}{'_gibbs' * gibbs}" for name in ENGINES}
    seconds = {name: chain(name, scan, folder, gibbs=gibbs) for name, folder in folders.items()}
    maps, tracts = {}, {}
    for name, folder in folders.items():
        maps[name] = anisotropy(scan, folder)
        markers = read_markers(DwiMeasured.of(scan, folder).markers)
        tracts[name] = markers[markers["marker"] == "fa"].set_index("region")["value"].astype(float)
    series = read_preprocessed(scan, folders["builtin"], in_t1w=False, b0_max_b_s_mm2=50)
    print(f"## {person}: {series.data.shape}, b up to {series.gradients.b.max():g}\n")
    print("| CPU s | builtin | mrtrix3 |\n|---|---|---|")
    for step in ("preprocess", "measure"):
        print(f"| {step} | " + " | ".join(f"{seconds[n][step]:.0f}" for n in ENGINES) + " |")
    ours, theirs = tensors(scan, series.data, series.gradients, series.mask, series.affine)
    inside = binary_erosion(series.mask)
    print(
        f"\nTensor of one series by either: FA r {np.corrcoef(ours[inside], theirs[inside])[0, 1]:.5f}, "
        f"difference {np.median((theirs - ours)[inside]):+.5f} (median), "
        f"{np.percentile(np.abs(theirs - ours)[inside], 95):.4f} (95 %)"
    )
    white = white_matter(scan, folders["builtin"]) > WHITE
    both = white & (maps["builtin"] > 0) & (maps["mrtrix3"] > 0)
    one, two = maps["builtin"][both], maps["mrtrix3"][both]
    brains = [mask_of(scan, folder) for folder in folders.values()]
    dice = 2 * (brains[0] & brains[1]).sum() / (brains[0].sum() + brains[1].sum())
    print(
        f"Chains: FA in {both.sum()} voxels of white matter r {np.corrcoef(one, two)[0, 1]:.4f}, "
        f"mean {one.mean():.4f} and {two.mean():.4f}; brain masks Dice {dice:.3f}"
    )
    off = (tracts["mrtrix3"] - tracts["builtin"]).dropna()
    print(
        f"FA of {len(off)} tracts: mrtrix3 - builtin median {off.median():+.4f}, mean {off.mean():+.4f}, "
        f"largest {off.abs().max():.4f} ({off.abs().idxmax()}), "
        f"r {np.corrcoef(tracts['builtin'][off.index], tracts['mrtrix3'][off.index])[0, 1]:.4f}\n"
    )


def chain(name: str, scan: Scan, folder: Path, *, gibbs: bool) -> dict[str, float]:
    """Preprocess and measure a series into a folder; CPU seconds of both, with all processes."""
    told = folder / "seconds.json"
    if told.exists():
        return json.loads(told.read_text())
    folder.mkdir(parents=True)
    before = cpu_s()
    ENGINES[name](scan, folder, anat=None, settings=DwiPreprocessSettings(gibbs=gibbs))
    between = cpu_s()
    measure(scan, folder, anat=None, settings=DwiMeasureSettings())
    seconds = {"preprocess": between - before, "measure": cpu_s() - between}
    told.write_text(json.dumps(seconds))
    return seconds


def cpu_s() -> float:
    """CPU seconds of this process and of those that it started and that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def anisotropy(scan: Scan, folder: Path) -> np.ndarray:
    """FA of a preprocessed series by the tensor of measuring."""
    series = read_preprocessed(scan, folder, in_t1w=False, b0_max_b_s_mm2=50)
    chosen = tensor_volumes(series.gradients, max_b_s_mm2=1500, b0_max_b_s_mm2=50)
    return fit_tensor(
        series.data[..., chosen], series.gradients.subset(chosen), series.mask, robust=True
    ).fa


def tensors(
    scan: Scan, data: np.ndarray, gradients: Gradients, mask: np.ndarray, affine: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """FA of one series by this package and by MRtrix3."""
    chosen = tensor_volumes(gradients, max_b_s_mm2=1500, b0_max_b_s_mm2=50)
    data, gradients = data[..., chosen], gradients.subset(chosen)
    theirs = mrtrix3.fitted_tensor(data, gradients, mask, affine, who=scan.who)
    return fit_tensor(data, gradients, mask).fa, theirs.fa


def white_matter(scan: Scan, folder: Path) -> np.ndarray:
    """Share of white matter in each voxel, by the template laid on FA."""
    grid = nib.load(DwiFiles.of(scan, folder, space="").mask)
    grid = nib.Nifti1Image(np.asanyarray(grid.dataobj).astype(np.float32), grid.affine)
    carried = apply_transform(template("WM"), grid, [DwiMeasured.of(scan, folder).from_template])
    return np.asanyarray(carried.dataobj)


def mask_of(scan: Scan, folder: Path) -> np.ndarray:
    """The brain mask that an engine wrote."""
    return np.asanyarray(nib.load(DwiFiles.of(scan, folder, space="").mask).dataobj) > 0


if __name__ == "__main__":
    main()
