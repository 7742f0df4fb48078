"""COBIDAS: acquisition and preprocessing (Nichols et al. 2017), for what a run has measured.

The topics are those of the checklist's tables on acquisition and on preprocessing, in our own
words. The tables have no item numbers; the table is named in place of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from commissure.modalities import MODALITIES
from commissure.report import text
from commissure.report.checklists.item import ChecklistItem
from commissure.report.methods_text.citations import without_citations
from commissure.report.methods_text.record import RunRecord, counted
from commissure.report.methods_text.write import SENTENCES

TITLE = "COBIDAS: acquisition and preprocessing"
INTRODUCTION = (
    "After the report of the Committee on Best Practice in Data Analysis and Sharing (Nichols et "
    "al. 2017, Nat Neurosci 20:299-303, and its checklist), tables on acquisition and "
    "preprocessing, in words of our own. Acquisition is read from the sidecars of the raw images, "
    "preprocessing from those of the results."
)

# Topic, fields of BIDS sidecars with their units, and what only the authors may know.
_ACQUISITION = (
    ("Scanner: maker and model", (("Manufacturer", ""), ("ManufacturersModelName", ""))),
    ("Scanner: software", (("SoftwareVersions", ""),)),
    ("Field strength", (("MagneticFieldStrength", "T"),)),
    ("Receive coil", (("ReceiveCoilName", ""), ("ReceiveCoilActiveElements", ""))),
    ("Sequence", (("PulseSequenceType", ""), ("SequenceName", ""), ("ScanningSequence", ""))),
    ("Repetition time", (("RepetitionTime", "s"),)),
    ("Echo time", (("EchoTime", "s"),)),
    ("Inversion time", (("InversionTime", "s"),)),
    ("Flip angle", (("FlipAngle", "degrees"),)),
    ("Phase encoding and readout", (("PhaseEncodingDirection", ""), ("TotalReadoutTime", "s"))),
    ("Slice timing", (("SliceTiming", "s"),)),
    ("Parallel imaging", (("ParallelReductionFactorInPlane", ""), ("PartialFourier", ""))),
    ("Multiband", (("MultibandAccelerationFactor", ""),)),
)
_ONLY = {
    "Inversion time": ("anat",), "Slice timing": ("func",), "Multiband": ("func", "dwi"),
    "Phase encoding and readout": ("func", "dwi"),
}  # fmt: skip
_QUESTIONS = (
    ("Participants’ instructions, eyes, drugs before the scan", "func",
     "What were people told, and were the eyes open?"),
    ("Padding, bite bar or other means against movement", "", "What was used?"),
    ("Visual check of images", "", "Who looked at which images, and by which rule?"),
)  # fmt: skip


def items(run: RunRecord) -> list[ChecklistItem]:
    """The checklist of the modalities that the run has."""
    lines = []
    for name, modality in MODALITIES.items():
        if not run.ran(name) or name == "mrs":
            continue
        for topic, fields in _ACQUISITION:
            if name in _ONLY.get(topic, (name,)):
                lines.append(_acquired(run.acquired[name], modality.title, topic, fields))
        lines.append(_voxels(run, name, modality.title))
        lines += _processed(run, name, modality.title)
    for topic, only, question in _QUESTIONS:
        if not only or run.ran(only):
            lines.append(ChecklistItem("Acquisition", topic, "", question))
    return lines


def _voxels(run: RunRecord, name: str, title: str) -> ChecklistItem:
    table = run.results.tables["acquisition.tsv"]
    sides = table.loc[table["modality"] == name, "voxel_mm"].dropna().round(2).value_counts()
    shown = text.listed(f"{side:g} mm ({n} images)" for side, n in sides.head(6).items())
    known = f"Longest side of a voxel: {shown}" if shown else ""
    question = "Matrix and field of view?" if shown else "The files do not say it."
    topic = f"{title}: Voxel size, matrix, field of view"
    return ChecklistItem("Acquisition", topic, known, question)


def _acquired(
    sidecars: Sequence[Mapping[str, Any]],
    title: str,
    topic: str,
    fields: Sequence[tuple[str, str]],
) -> ChecklistItem:
    said = []
    for field, unit in fields:
        values = counted(sidecars, field)
        shown = [f"{_value(value)} {unit}".strip() + f" ({n} images)" for value, n in values[:6]]
        if len(values) > 6:
            shown.append(f"{len(values) - 6} other values")
        if shown:
            said.append(f"{field}: {text.listed(shown)}")
    known = text.without_paths("; ".join(said))
    question = "" if said else "The sidecars do not say it."
    return ChecklistItem("Acquisition", f"{title}: {topic}", known, question)


def _value(value: Any) -> str:
    if isinstance(value, list):
        if all(isinstance(v, int | float) for v in value) and len(value) > 4:
            return f"{len(value)} values from {min(value):g} to {max(value):g}"
        return " x ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _processed(run: RunRecord, name: str, title: str) -> list[ChecklistItem]:
    version = run.results.provenance.get("version", "")
    software = f"Commissure {version}, engine {run.option(name, 'engine', 'builtin')}"
    lines = [ChecklistItem("Preprocessing", f"{title}: software and version", software)]
    for sentence in SENTENCES[name](run):
        told = without_citations(sentence)
        known, _, asked = told.partition("TO THE AUTHORS:")
        lines.append(ChecklistItem("Preprocessing", f"{title}: step", known.strip(), asked.strip()))
    return lines
