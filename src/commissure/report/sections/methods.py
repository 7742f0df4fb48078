"""What every marker means, and how the numbers of the page were made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from commissure.report import text
from commissure.report.results import QualityRecord, modality_order
from commissure.report.section import Content, ReportInput


def content(run: ReportInput, below: Mapping[str, Content]) -> Content:
    """Everything that the section on methods shows."""
    definitions = run.results.definitions
    order = modality_order({d.get("modality", "") for d in definitions.values()})
    rows = [
        {
            "marker": name,
            "modality": text.modality(definition.get("modality", "")),
            "place": order.index(definition.get("modality", "")),
            "unit": text.unit(definition.get("unit")) or "pure number",
            "description": text.without_paths(definition.get("description") or ""),
            "source": text.without_paths(definition.get("source") or ""),
            "role": "measurement" if definition.get("role") == "confound" else "marker",
        }
        for name, definition in definitions.items()
    ]
    rows.sort(key=lambda row: (row["place"], row["role"], row["marker"]))
    return {"definitions": rows, "bold": bold_sentences(run.results.quality)}


#: What a distortion was known from, by the word of the quality record.
_KNOWN_FROM = {
    "PEPOLAR": "images of the opposite phase encoding",
    "PHASEDIFF": "the phases of two gradient echoes",
    "MAPPED": "a field map in Hz",
}


def bold_sentences(records: Sequence[QualityRecord]) -> list[str]:
    """How BOLD runs lost their distortion, came to the T1w image, had echoes and were denoised."""
    runs = [record for record in records if record.modality == "func"]
    if not runs:
        return []
    ways = Counter(record.susceptibility for record in runs)
    sentences = [
        f"Susceptibility distortion of BOLD was corrected by {known} in {ways[word]} of "
        f"{len(runs)} runs."
        for word, known in _KNOWN_FROM.items()
        if ways[word]
    ]
    if ways["none"]:
        refused = sum("field_maps_refused" in record.flags for record in runs)
        why = f", {refused} of them in spite of a field map, which was refused" if refused else ""
        sentences.append(
            f"In {ways['none']} of {len(runs)} runs susceptibility distortion of BOLD was not "
            f"corrected{why}: frontal and temporal regions beside air lie shifted along the phase "
            "encoding."
        )
    if ways[""]:
        sentences.append(
            f"Of {ways['']} of {len(runs)} BOLD runs it is not recorded whether susceptibility "
            "distortion was corrected."
        )
    sentences += _placement_sentences(runs)
    several = [record for record in runs if record.echo_times_s]
    if several:
        counts = " or ".join(str(n) for n in sorted({len(r.echo_times_s) for r in several}))
        sentences.append(
            f"{len(several)} of {len(runs)} BOLD runs had {counts} echoes, combined with weights "
            "TE exp(−TE/T2*) (Posse et al. 1999)."
        )
    split = [record for record in runs if record.echo_components]
    if split:
        programs = " and ".join(sorted({record.echo_components["Program"] for record in split}))
        rejected = sorted(record.echo_components["Rejected"] for record in split)
        sentences.append(
            f"Of {len(split)} of them {programs} found independent components (DuPre et al. 2021); "
            f"those that are no BOLD (median {rejected[len(rejected) // 2]} a run) were taken out "
            "along with the confounds."
        )
    denoised = Counter((r.strategy, r.strategy_source) for r in runs if r.strategy)
    sentences += [
        f"Connectivity and regional activity of {count} of {len(runs)} BOLD runs were measured "
        f"after the confounds of {name} had been taken out ({source})."
        for (name, source), count in sorted(denoised.items())
    ]
    return sentences


def _placement_sentences(runs: Sequence[QualityRecord]) -> list[str]:
    """How many runs were laid on the border of the T1w image's white matter, and how well."""
    shares = [
        float(check["value"])
        for record in runs
        for check in record.checks
        if check["name"] == "boundary_right_sign" and check["value"] is not None
    ]
    if not shares:
        return []
    failed = sum(any(flag.startswith("boundary_") for flag in record.flags) for record in runs)
    return [
        f"{len(shares)} of {len(runs)} BOLD runs were laid beside the person's T1w image by the "
        "border of white and grey matter (boundary-based registration, Greve and Fischl 2009). "
        f"Grey matter was the brighter at {min(shares):.0%} to {max(shares):.0%} of its points; "
        f"{failed} of the runs failed a check of where they lie."
    ]
