"""Output folders of other tools, written as their documentation shows them."""

from __future__ import annotations

from pathlib import Path

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
