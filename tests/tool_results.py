"""Tables of fitted spectra and of segmentations, written as their tools write them; reading them."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from commissure.engines.ingress.read import ingested
from commissure.engines.ingress.results import Ingested
from commissure.engines.ingress.settings import IngressSettings


def read_tool(tool: str, folder: Path, **options) -> Ingested:
    """Read a folder as a study does that names it."""
    return ingested(IngressSettings(tool=tool, folder=str(folder), **options))


def values_of(result: Ingested, who: str | None = None) -> dict[tuple[str, str], float]:
    """Values by marker and region, of one person or of all."""
    return {
        (row.marker, row.region): row.value
        for row in result.rows
        if who is None or row.participant_id == who
    }


def qualities_of(result: Ingested, who: str | None = None) -> dict[tuple[str, str], str]:
    """Qualities by marker and region, of one person or of all."""
    return {
        (row.marker, row.region): row.quality
        for row in result.rows
        if who is None or row.participant_id == who
    }


SUMMARY = """Metab,/Cr+PCr,/Cr+PCr CRLB,mMol/kg,mMol/kg CRLB,mM,mM CRLB,%CRLB,SNR,FWHM
Cr,0.55,0.02,5.5,0.2,4.4,0.2,4.1,31.0,6.1
Cr+PCr,1.0,0.01,10.0,0.1,8.0,0.1,1.2,,
GSH,0.21,0.05,2.1,0.5,1.68,0.4,24.0,6.2,7.5
Glu,{glu_ratio},0.03,{glu},0.3,9.2,0.2,2.4,18.0,7.0
Glu+Gln,1.5,0.04,15.0,0.4,12.0,0.3,2.6,,
NAA,1.3,0.02,13.0,0.2,10.4,0.2,1.5,52.0,5.5
"""


def fslmrs_fit(
    folder: Path, *, glu: str = "11.5", glu_ratio: str = "1.15", tissue=True, water=True
) -> Path:
    """What ``fsl_mrs`` leaves of a fit: ``summary.csv`` and ``options.txt``."""
    folder.mkdir(parents=True)
    lines = SUMMARY.format(glu=glu, glu_ratio=glu_ratio).splitlines()
    if not water:
        kept = [i for i, name in enumerate(lines[0].split(",")) if not name.startswith("mM")]
        lines = [",".join(line.split(",")[i] for i in kept) for line in lines]
    (folder / "summary.csv").write_text("\n".join(lines) + "\n")
    fractions = {"WM": 0.4, "GM": 0.5, "CSF": 0.1} if tissue else None
    options = json.dumps({"data": "svs.nii.gz", "tissue_frac": fractions})
    (folder / "options.txt").write_text(f"{options}\n--------\nCommand Line Args: ...\n")
    return folder / "summary.csv"


#: Amplitudes and their standard deviations as the introduction to spant prints them.
SPANT = {
    "Gln": (4.651521e-06, 4.893194e-06), "GSH": (2.169001e-05, 2.018255e-06),
    "Glu": (6.727173e-05, 4.906394e-06), "Ins": (6.027675e-05, 2.021897e-06),
    "tNAA": (7.53882e-05, 7.082527e-07), "tCr": (6.073099e-05, 5.852186e-07),
    "tCho": (1.610893e-05, 2.122581e-07), "Glx": (7.192326e-05, 2.893515e-06),
}  # fmt: skip


def spant_table(
    path: Path, *, scale: float = 1.0, spectra: int = 1, more: Mapping[str, float] | None = None
) -> Path:
    """A table of fit results as R writes it: a number before each row, text in quotation marks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns: dict[str, object] = {"X": 1, "Dynamic": 1}
    columns |= {name: amount * scale for name, (amount, _) in SPANT.items()}
    columns |= {f"{name}.sd": deviation * scale for name, (_, deviation) in SPANT.items()}
    columns |= {"res.message": "Relative error, at most `ptol'.", "SNR": 63.12466}
    columns |= {"tNAA_lw": 0.04575392, **(more or {})}
    with path.open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(["", *columns])
        for number in range(spectra):
            writer.writerow([str(number + 1), *columns.values()])
    return path


def osprey_output(
    folder: Path,
    tables: Mapping[str, Sequence[Mapping[str, object]]],
    *,
    subjects: Sequence[str] = (),
    exclude: Sequence[int] = (),
    spectrum: str = "A",
    quality: Sequence[tuple[float, float]] = (),
) -> Path:
    """An output folder of Osprey: tables of quantities by kind, a row each spectrum."""
    (folder / "QuantifyResults").mkdir(parents=True, exist_ok=True)
    for kind, rows in tables.items():
        lines = ["\t".join(rows[0]), *("\t".join(map(str, row.values())) for row in rows)]
        name = f"{spectrum}_{kind}_Voxel_1_Basis_1.tsv"
        (folder / "QuantifyResults" / name).write_text("\n".join(lines) + "\n")
    if subjects:
        out = list(exclude) or [0] * len(subjects)
        rows = [f"{subject}\t1\t{flag}" for subject, flag in zip(subjects, out, strict=True)]
        text = "\n".join(["subject\tgroup\texclude", *rows]) + "\n"
        (folder / "subject_names_and_excluded.tsv").write_text(text)
    if quality:
        rows = [f"{snr}\t{fwhm}\t8.0" for snr, fwhm in quality]
        text = "\n".join(["Cr_SNR\tCr_FWHM\twater_FWHM", *rows]) + "\n"
        (folder / "QM_processed_spectra.tsv").write_text(text)
    return folder


def osprey_of_study(long_format: Path, folder: Path) -> dict[tuple[str, str, str], dict[str, str]]:
    """Osprey's values of a published study, laid out as Osprey lays them out.

    Returns the cells of the study's own table by person with visit, voxel and metabolite. STEAM
    only: two sequences of one voxel are two studies.
    """
    cells: dict[tuple[str, str, str], dict[str, str]] = {}
    spectra: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    with long_format.open() as file:
        for row in csv.DictReader(file):
            if row["sequence"] != "steam":
                continue
            name = f"{row['sub']}_ses-{row['session']}_voi-{row['location']}"
            cells[f"{row['sub']} ses-{row['session']}", row["location"], row["metabolite"]] = row
            for kind, column in (
                ("tCr", "tCr"),
                ("TissCorrWaterScaled", "tissue"),
                ("CRLB", "CRLB"),
            ):
                spectra[name][kind][row["metabolite"]] = row[column]
    names = sorted(spectra)
    metabolites = list(spectra[names[0]]["tCr"])
    osprey_output(
        folder,
        {
            kind: [{m: spectra[name][kind].get(m, "NaN") for m in metabolites} for name in names]
            for kind in ("tCr", "TissCorrWaterScaled", "CRLB")
        },
        subjects=names,
    )
    return cells


#: Headings of SynthSeg's volumes, with a value each (mm3).
SYNTHSEG = {
    "total intracranial": 1523456.5, "left cerebral white matter": 231000.1,
    "left cerebral cortex": 262000.2, "left inferior lateral ventricle": 410.5,
    "left thalamus": 7612.25, "left accumbens area": 612.125, "left ventral DC": 4200.0,
    "3rd ventricle": 1100.5, "brain-stem": 21000.0, "csf": 1002.0, "left hippocampus": 4012.25,
    "right hippocampus": 4100.75, "ctx-lh-superiorfrontal": 21000.5,
}  # fmt: skip
SYNTHSEG_SCORES = ("general white matter", "general grey matter", "hippocampus+amygdala")


def synthseg_tables(
    folder: Path,
    people: Mapping[str, float],
    *,
    scores: bool = True,
    name: str = "volumes.csv",
    changed: Mapping[str, object] | None = None,
) -> Path:
    """SynthSeg's tables of volumes and scores; the lowest score of each image by its name."""
    folder.mkdir(parents=True, exist_ok=True)
    volumes = {**SYNTHSEG, **(changed or {})}
    lines = [",".join(["subject", *volumes])]
    lines += [",".join([who, *map(str, volumes.values())]) for who in people]
    (folder / name).write_text("\n".join(lines) + "\n")
    if scores:
        rows = [f"{who},0.8123,0.7712,{low:.4f}" for who, low in people.items()]
        text = "\n".join([",".join(["subject", *SYNTHSEG_SCORES]), *rows]) + "\n"
        (folder / f"qc_{name}").write_text(text)
    return folder / name


def cat12_subject(
    folder: Path, label: str, *, tiv: str = "1512.5", grade: str = "2.1", hip: str = "3.4512"
) -> Path:
    """A person of CAT12: report and label files."""
    for name, text in (
        (
            f"report/cat_{label}.xml",
            "<software><version_cat>12.9</version_cat><revision_cat>2577</revision_cat></software>"
            f"<qualityratings><IQR>{grade}</IQR></qualityratings><subjectmeasures>"
            f"<vol_TIV>{tiv}</vol_TIV><vol_abs_CGW>[322.1 612.25 578.3 0 0]</vol_abs_CGW>"
            "</subjectmeasures>",
        ),
        (
            f"label/catROI_{label}.xml",
            "<neuromorphometrics><names><item>l3thVen</item><item>lHip</item><item>rHip</item>"
            "<item>lSupFroGy</item></names><ids>[4;47;48;191]</ids><data>"
            f"<Vgm>[0.01;{hip};3.6;12.5]</Vgm><Vcsf>[0.85;0.2;0.3;4.4]</Vcsf></data>"
            "</neuromorphometrics>",
        ),
        (
            f"label/catROIs_{label}.xml",
            "<aparc_DK40><names><item>lunknown</item><item>lbankssts</item><item>rbankssts</item>"
            "</names><data><thickness>[NaN;2.51;2.6]</thickness></data></aparc_DK40>",
        ),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'<?xml version="1.0"?>\n<S>{text}</S>\n')
    return folder
