"""Output folders of other tools, written as their documentation shows them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

from commissure.names import Scan, parse_name

SPACE = "MNI152NLin2009cAsym"
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
MASK = np.pad(np.ones((3, 4, 5)), 1)

ASEG = """# Title Segmentation Statistics
# generating_program mri_segstats
# cvs_version {version}
# Measure BrainSeg, BrainSegVol, Brain Segmentation Volume, 1169408.000000, mm^3
# Measure SurfaceHoles, SurfaceHoles, Total number of defect holes in surfaces, 49, unitless
# Measure EstimatedTotalIntraCranialVol, eTIV, Estimated Total Intracranial Volume, {etiv}, mm^3
# NRows {rows}
# NTableCols 5
# ColHeaders  Index SegId NVoxels Volume_mm3 StructName
  1  10      8612     8178.8  Left-Thalamus
  2  17      4357     {hippocampus}  Left-Hippocampus
  3  53      4000     4100.5  Right-Hippocampus
  4  72         0        0.0  5th-Ventricle
"""

APARC = """# Table of FreeSurfer cortical parcellation anatomical statistics
# generating_program mris_anatomical_stats
# cvs_version {version}
# hemi {side}
# Measure Cortex, MeanThickness, Mean Thickness, 2.39891, mm
# Measure EstimatedTotalIntraCranialVol, eTIV, Estimated Total Intracranial Volume, {etiv}, mm^3
# NTableCols 5
# ColHeaders StructName NumVert SurfArea GrayVol ThickAvg
bankssts                                 1069    732   1536  2.144
superiorfrontal                          9000   6100  19000  {thickness}
"""

TABLE = """ LCModel (Version 6.3-1R)
 somebody

$$CONC  {lines} lines in following concentration table = NCONC+1
    Conc.  %SD /Cr+PCr  Metabolite
{glu}   6%   1.200 Glu
 2.000  40%   0.300 Gln
 6.800   4%   1.000 Cr+PCr
 10.20   6%   1.500 Glu+Gln
 1.90E+00  15% 2.8E-01 GSH

$$MISC  6 lines in following misc. output table
  FWHM = 0.043 ppm    S/N =  13
"""


def freesurfer_subject(
    folder: Path,
    *,
    version: str = "7.4.1",
    etiv: float = 1.5e6,
    hippocampus: float = 4300.0,
    thickness: float = 2.7,
    done: bool = True,
) -> Path:
    """A person of SUBJECTS_DIR."""
    (folder / "stats").mkdir(parents=True)
    (folder / "scripts").mkdir()
    (folder / "scripts/recon-all.log").write_text("...\n")
    if done:
        (folder / "scripts/recon-all.done").write_text("\n")
    aseg = ASEG.format(version=version, etiv=etiv, rows=4, hippocampus=hippocampus)
    (folder / "stats/aseg.stats").write_text(aseg)
    for side in ("lh", "rh"):
        text = APARC.format(version=version, side=side, etiv=etiv, thickness=thickness)
        (folder / f"stats/{side}.aparc.stats").write_text(text)
    return folder


def lcmodel_table(path: Path, *, glu: str = " 8.200", lines: int = 6) -> Path:
    """A table of LCModel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TABLE.format(glu=glu, lines=lines))
    return path


def write_image(path, shape=(5, 6, 7), *, affine=AFFINE, data=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    if data is None:
        data = 100 + np.random.default_rng(0).normal(size=shape)
    picture = nib.Nifti1Image(np.asarray(data, np.float32), affine)
    picture.header.set_xyzt_units("mm", "sec")
    picture.set_sform(affine, 4)
    nib.save(picture, path)


def raw_scan(folder, name, *, volumes=12, modality="func", tr_s=2.0):
    """An image of the dataset, with its sidecar."""
    path = folder / "bids" / modality / f"{name}.nii.gz"
    write_image(path, (5, 6, 7, volumes) if modality != "anat" else (5, 6, 7))
    sidecar = path.with_name(f"{name}.json")
    sidecar.write_text(json.dumps({"RepetitionTime": tr_s}))
    entities, suffix, _ = parse_name(path.name)
    return Scan(path, entities, suffix, [sidecar])


def tree_of(folder, program="fMRIPrep", version="24.1.1"):
    """A folder of derivatives that says who wrote it."""
    root = folder / "tree"
    root.mkdir(exist_ok=True)
    described_as = {"GeneratedBy": [{"Name": program, "Version": version}]}
    (root / "dataset_description.json").write_text(json.dumps(described_as))
    return root


def bold_run(root, label, *, where="func", space=f"space-{SPACE}", volumes=12, rows=None,
        confounds="desc-confounds_timeseries", tr_s=2.0, affine=AFFINE, only=()):  # fmt: skip
    """A run as fMRIPrep leaves it."""
    folder = root / label.split("_")[0] / where
    parts = {
        "bold": (f"{label}_{space}_desc-preproc_bold.nii.gz", (5, 6, 7, volumes)),
        "mask": (f"{label}_{space}_desc-brain_mask.nii.gz", (5, 6, 7)),
        "boldref": (f"{label}_{space}_boldref.nii.gz", (5, 6, 7)),
    }
    for part, (name, shape) in parts.items():
        if not only or part in only:
            write_image(folder / name, shape, affine=affine)
    name = parts["bold"][0].replace(".nii.gz", ".json")
    (folder / name).write_text(json.dumps({"RepetitionTime": tr_s, "TaskName": "rest"}))
    if not only or "confounds" in only:
        columns = ["framewise_displacement", "trans_x", "rot_z", "csf"]
        lines = [
            "\t".join(columns),
            *["\t".join(["0.1"] * 4)] * (volumes if rows is None else rows),
        ]
        (folder / f"{label}_{confounds}.tsv").write_text("\n".join(lines) + "\n")


def t1w_of(root, label="sub-01", *, where="anat", own="T1w", template=SPACE, swap=False, space=""):
    """A T1w as fMRIPrep leaves it."""
    folder = root / label.split("_")[0] / where
    rng = np.random.default_rng(1)
    tissues = rng.dirichlet((0.1, 0.1, 0.1), size=(5, 6, 7)).transpose(3, 0, 1, 2)
    numbers = tissues.argmax(axis=0) + 1
    if swap:
        numbers = np.array([0, 2, 3, 1])[numbers]
    write_image(folder / f"{label}{space}_desc-preproc_T1w.nii.gz")
    write_image(folder / f"{label}{space}_desc-brain_mask.nii.gz", data=MASK)
    write_image(folder / f"{label}{space}_dseg.nii.gz", data=numbers)
    for name, data in zip(("GM", "WM", "CSF"), tissues, strict=True):
        write_image(folder / f"{label}{space}_label-{name}_probseg.nii.gz", data=data)
    for start, end in ((own, template), (template, own)):
        (folder / f"{label}_from-{start}_to-{end}_mode-image_xfm.h5").write_bytes(b"h5")
    return tissues.argmax(axis=0) + 1


#: Stands for Docker or Apptainer: notes every call, and lays down what was prepared of the person.
ENGINE = """#!{python}
import json, os, shutil, sys
words = sys.argv[1:]
with open(os.environ["STUB_CALLS"], "a") as file:
    file.write(json.dumps([os.path.basename(sys.argv[0]), *words]) + "\\n")
if words[0] == "version":
    print("24.0.7")
elif words[0] == "images":
    present = os.environ.get("STUB_IMAGE", "yes") == "yes"
    print(("sha256:" + "a" * 64 if "--digests" in words else "0123abcd") if present else "", end="")
elif "--entrypoint=free" in words:
    print("       total  used  free\\nMem:   64000  1  63999\\nSwap:  0 0 0")
elif words[0] == "run":
    out = next(w.split(":")[0] for w in words if w.endswith(":/out"))
    label = words[words.index("--participant-label") + 1]
    if label == os.environ.get("STUB_FAILS"):
        print("Traceback")
        print("RuntimeError: sub-%s has no image that can be used" % label)
        sys.exit(1)
    prepared = os.environ["STUB_TREE"]
    shutil.copy(os.path.join(prepared, "dataset_description.json"), out)
    shutil.copytree(os.path.join(prepared, "sub-" + label), os.path.join(out, "sub-" + label),
                    dirs_exist_ok=True)
"""


def stub_docker(folder: Path, *, name: str = "docker") -> Path:
    """A ``docker``, or another container engine, in a folder that is to stand on the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(ENGINE.replace("{python}", sys.executable))
    path.chmod(0o755)
    return folder


def dwi_series(root: Path, label: str, *, where: str = "dwi", space: str = "space-ACPC") -> None:
    """A series as QSIPrep 1 names it."""
    folder = root / label.split("_")[0] / where
    rng = np.random.default_rng(0)
    write_image(folder / f"{label}_{space}_desc-preproc_dwi.nii.gz", (5, 6, 7, 8))
    write_image(folder / f"{label}_{space}_desc-brain_mask.nii.gz", data=MASK)
    vectors = rng.normal(size=(3, 8))
    vectors /= np.linalg.norm(vectors, axis=0)
    vectors[:, 0] = 0
    np.savetxt(folder / f"{label}_{space}_desc-preproc_dwi.bvec", vectors)
    (folder / f"{label}_{space}_desc-preproc_dwi.bval").write_text("0" + " 1000" * 7 + "\n")
    rows = "\n".join(["framewise_displacement", *["0.1"] * 8])
    (folder / f"{label}_desc-confounds_timeseries.tsv").write_text(f"{rows}\n")
