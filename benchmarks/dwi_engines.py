"""The engines `builtin` and `mrtrix3` side by side on measured diffusion series, one thread.

    python benchmarks/dwi_engines.py DATA [--people bn01 xa01] [--keep FOLDER] [--gibbs] [--alone]

DATA holds ``bids`` and ``bids-more``. Both engines preprocess each series, beside its T1w image
where there is one (not with ``--alone``), onto the same voxels, and the same measuring follows. What
was left in FOLDER is read again. MRtrix3 must be on the path.
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

from commissure.anat.builtin.preprocess import preprocess as preprocess_t1w
from commissure.anat.settings import AnatPreprocessSettings
from commissure.dataset.index import survey
from commissure.dataset.tree import tree_of
from commissure.dwi.builtin.preprocess import preprocess
from commissure.dwi.derivatives import DwiMeasured, PreprocessedSeries, read_preprocessed
from commissure.dwi.measure import measure
from commissure.dwi.settings import DwiMeasureSettings, DwiPreprocessSettings
from commissure.dwi.tensor import fit_tensor
from commissure.dwi.tensor_volumes import tensor_volumes
from commissure.engines.mrtrix3 import preprocess as mrtrix3
from commissure.engines.mrtrix3.programs import check_programs, version
from commissure.images.anat_files import AnatFiles
from commissure.images.grid import resample_to
from commissure.images.load import load_image
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
    parser.add_argument("--alone", action="store_true")
    arguments = parser.parse_args()
    check_programs()
    print(f"MRtrix3 {version()}, Gibbs ringing {'removed' if arguments.gibbs else 'left'}\n")
    with tempfile.TemporaryDirectory() as emptied:
        keep = arguments.keep or Path(emptied)
        for person, scan, t1w in real_scans(arguments.data, set(arguments.people)):
            anat = None if arguments.alone or t1w is None else anatomy(t1w, keep / f"{person}_anat")
            how = "_gibbs" * arguments.gibbs + ("" if anat else "_alone")
            compare(person, scan, anat, keep, how=how, gibbs=arguments.gibbs)


def real_scans(data: Path, people: set[str]) -> Iterator[tuple[str, Scan, Scan | None]]:
    """Diffusion series of some people with their T1w images, as the index finds them."""
    for root in (data / "bids", data / "bids-more"):
        entries = [entry for entry in survey(root, tree_of(root))[0] if entry.used]
        for entry in entries:
            person = entry.participant_id.removeprefix("sub-")
            if entry.modality == "dwi" and person in people:
                t1w = [
                    e
                    for e in entries
                    if (e.participant_id, e.modality) == (f"sub-{person}", "anat")
                ]
                yield person, entry.scan_in(root), t1w[0].scan_in(root) if t1w else None


def anatomy(t1w: Scan, folder: Path) -> AnatFiles:
    """Derivatives of a T1w image, made where they are not there."""
    files = AnatFiles.of(t1w, folder)
    if not files.complete():
        folder.mkdir(parents=True, exist_ok=True)
        preprocess_t1w(t1w, folder, settings=AnatPreprocessSettings())
    return files


def compare(
    person: str, scan: Scan, anat: AnatFiles | None, keep: Path, *, how: str, gibbs: bool
) -> None:
    """Both engines on one series."""
    folders = {name: keep / f"{person}_{name}{how}" for name in ENGINES}
    seconds = {
        name: chain(name, scan, anat, folder, gibbs=gibbs) for name, folder in folders.items()
    }
    series = {
        name: read_preprocessed(scan, folder, in_t1w=anat is not None, b0_max_b_s_mm2=50)
        for name, folder in folders.items()
    }
    maps, tracts = {}, {}
    for name, folder in folders.items():
        maps[name] = anisotropy(series[name])
        markers = read_markers(DwiMeasured.of(scan, folder).markers)
        tracts[name] = markers[markers["marker"] == "fa"].set_index("region")["value"].astype(float)
    first = series["builtin"]
    beside = "beside its T1w image" if anat else "without a T1w image"
    print(f"## {person}, {beside}: {first.data.shape}, b up to {first.gradients.b.max():g}\n")
    print("| CPU s | builtin | mrtrix3 |\n|---|---|---|")
    for step in ("preprocess", "measure"):
        print(f"| {step} | " + " | ".join(f"{seconds[n][step]:.0f}" for n in ENGINES) + " |")
    ours, theirs, bright = tensors(scan, first)
    for where, inside in (("brain", binary_erosion(first.mask)), ("no value is 0", bright)):
        off = (theirs - ours)[inside]
        print(
            f"\nTensor of one series by either ({where}): FA r "
            f"{np.corrcoef(ours[inside], theirs[inside])[0, 1]:.5f}, difference {np.median(off):+.5f} "
            f"(median), {np.percentile(np.abs(off), 95):.4f} (95 %)"
        )
    white = white_matter(scan, anat, first, folders["builtin"]) > WHITE
    both = white & (maps["builtin"] > 0) & (maps["mrtrix3"] > 0)
    one, two = maps["builtin"][both], maps["mrtrix3"][both]
    masks = [each.mask for each in series.values()]
    dice = 2 * (masks[0] & masks[1]).sum() / (masks[0].sum() + masks[1].sum())
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


def chain(
    name: str, scan: Scan, anat: AnatFiles | None, folder: Path, *, gibbs: bool
) -> dict[str, float]:
    """Preprocess and measure a series into a folder; CPU seconds of both, with all processes."""
    told = folder / "seconds.json"
    if told.exists():
        return json.loads(told.read_text())
    folder.mkdir(parents=True)
    before = cpu_s()
    ENGINES[name](scan, folder, anat=anat, settings=DwiPreprocessSettings(gibbs=gibbs))
    between = cpu_s()
    measure(scan, folder, anat=anat, settings=DwiMeasureSettings())
    seconds = {"preprocess": between - before, "measure": cpu_s() - between}
    told.write_text(json.dumps(seconds))
    return seconds


def cpu_s() -> float:
    """CPU seconds of this process and of those that it started and that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def anisotropy(series: PreprocessedSeries) -> np.ndarray:
    """FA of a preprocessed series by the tensor of measuring."""
    chosen = tensor_volumes(series.gradients, max_b_s_mm2=1500, b0_max_b_s_mm2=50)
    return fit_tensor(
        series.data[..., chosen], series.gradients.subset(chosen), series.mask, robust=True
    ).fa


def tensors(scan: Scan, series: PreprocessedSeries) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """FA of one series by this package and by MRtrix3, and where every volume has signal."""
    chosen = tensor_volumes(series.gradients, max_b_s_mm2=1500, b0_max_b_s_mm2=50)
    data, gradients = series.data[..., chosen], series.gradients.subset(chosen)
    theirs = mrtrix3.fitted_tensor(data, gradients, series.mask, series.affine, who=scan.who)
    bright = series.mask & (data > 0).all(axis=3)
    return fit_tensor(data, gradients, series.mask).fa, theirs.fa, bright


def white_matter(
    scan: Scan, anat: AnatFiles | None, series: PreprocessedSeries, folder: Path
) -> np.ndarray:
    """Share of white matter in each voxel: of the T1w image, or of the template laid on FA."""
    grid = nib.Nifti1Image(series.mask.astype(np.float32), series.affine)
    if anat is not None:
        return resample_to(load_image(anat.wm, who=scan.who, ndim=3), grid.shape, grid.affine)
    carried = apply_transform(template("WM"), grid, [DwiMeasured.of(scan, folder).from_template])
    return np.asanyarray(carried.dataobj)


if __name__ == "__main__":
    main()
