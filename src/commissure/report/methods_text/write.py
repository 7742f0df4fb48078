"""Write the text of methods as Markdown, LaTeX and BibTeX, with what a run used only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from commissure.files import write_text
from commissure.modalities import MODALITIES
from commissure.report.methods_text import diffusion, images, lesions, models, spectra
from commissure.report.methods_text.citations import CITATION, bibliography, cited, references
from commissure.report.methods_text.record import RunRecord
from commissure.report.text import listed

#: Sentences of each modality.
SENTENCES: Mapping[str, Callable[[RunRecord], list[str]]] = {
    "anat": images.anat, "func": images.func, "dwi": diffusion.dwi, "mrs": spectra.mrs,
    "lesion": lesions.lesion,
}  # fmt: skip

_HEAD = (
    "This text was written by Commissure from what the run did. Check it, fill the sentences that "
    "say TO THE AUTHORS, and cite what it cites."
)


def paragraphs(run: RunRecord) -> dict[str, str]:
    """Paragraphs by their headings; citations stand as ``[@key]``."""
    text = {"Software": _software(run)}
    for name, modality in MODALITIES.items():
        if run.ran(name):
            text[modality.title] = " ".join(SENTENCES[name](run))
    text["Markers and exclusions"] = _markers(run)
    text["Models"] = " ".join(models.fusion(run))
    text["Reporting"] = (
        "The report follows TRIPOD+AI [@collins2024]; its filled checklists lie in the folder "
        "checklists of the output."
    )
    return text


def write_methods(run: RunRecord, *, markdown: Path, latex: Path, bibtex: Path) -> None:
    """Write the three files.

    Parameters
    ----------
    run
        What the run left of its methods.
    markdown, latex, bibtex
        Where they go. The LaTeX text reads the BibTeX file by its name.
    """
    text = paragraphs(run)
    keys = cited(" ".join(text.values()))
    write_text(_markdown(text, keys), markdown)
    write_text(_latex(text, bibtex.stem), latex)
    write_text(bibliography(keys), bibtex)


def _software(run: RunRecord) -> str:
    record = run.results.provenance
    commit = record.get("commit")
    build = f", commit {commit[:10]}" if commit else ""
    changed = ", with uncommitted changes" if record.get("uncommitted_changes") else ""
    return (
        f"A dataset in BIDS [@gorgolewski2016] was processed by Commissure "
        f"{record.get('version', '')}{build}{changed} [@commissure], run by Snakemake "
        f"{run.version('snakemake')} [@molder2021] with Python {record.get('python', '')}, NumPy "
        f"{run.version('numpy')} [@harris2020], SciPy {run.version('scipy')} [@virtanen2020] and "
        f"nilearn {run.version('nilearn')} [@abraham2014]."
    )


def _markers(run: RunRecord) -> str:
    table = run.results.markers
    n = len(table.groupby(["modality", "marker", "region"])) if len(table) else 0
    people = table["participant_id"].nunique() if len(table) else 0
    rules = {
        "max_mean_fd_mm": ("a mean framewise displacement above {:g} mm", "func"),
        "max_dwi_motion_mm": ("a mean displacement of diffusion volumes above {:g} mm", "dwi"),
        "max_fwhm_ppm": ("a line of creatine wider than {:g} ppm", "mrs"),
        "min_mrs_snr": ("a signal-to-noise ratio of the spectrum below {:g}", "mrs"),
        "max_f_csf": ("a share of fluid in the voxel above {:g}", "mrs"),
    }
    applied = [
        words.format(run.option("markers", name))
        for name, (words, modality) in rules.items()
        if run.option("markers", name) is not None and run.ran(modality)
    ]
    sentence = f"{n} markers of {people} people were measured."
    if applied:
        sentence += f" Images with {listed(applied, last='or')} were left out of the models."
    return sentence + " A missing measurement is absent and never taken for zero."


def _markdown(text: Mapping[str, str], keys: list[str]) -> str:
    known = references()

    def shown(match: re.Match) -> str:
        return "(" + "; ".join(known[key.strip()[1:]].label for key in match[1].split(";")) + ")"

    parts = ["# Methods", f"*{_HEAD}*"]
    parts += [f"## {name}\n\n{CITATION.sub(shown, body)}" for name, body in text.items()]
    lines = sorted(known[key].line for key in keys)
    parts.append("## References\n\n" + "\n".join(f"- {line}" for line in lines))
    return "\n\n".join(parts) + "\n"


_ESCAPED = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_", "$": r"\$",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "²": r"\textsuperscript{2}", "³": r"\textsuperscript{3}", "−": "$-$", "×": r"$\times$",
    "≥": r"$\geq$", "≤": r"$\leq$", "µ": r"$\mu$", "–": "--", "’": "'", "“": "``", "”": "''",
    "<": r"\textless{}", ">": r"\textgreater{}", "\u2009": r"\,", "\u202f": r"\,", "\u00a0": "~",
}  # fmt: skip


def tex(text: str) -> str:
    """Plain text as LaTeX; a letter that the default fonts lack becomes a question mark."""
    letters = (_ESCAPED.get(letter, letter) for letter in text)
    return "".join(part if len(part) > 1 or ord(part) < 0x180 else "?" for part in letters)


def _latex(text: Mapping[str, str], bib: str) -> str:
    def body(paragraph: str) -> str:
        out, end = [], 0
        for match in CITATION.finditer(paragraph):
            keys = ",".join(key.strip()[1:] for key in match[1].split(";"))
            out += [tex(paragraph[end : match.start()]).rstrip(" "), rf"~\cite{{{keys}}}"]
            end = match.end()
        return "".join([*out, tex(paragraph[end:])])

    sections = "\n\n".join(
        rf"\subsection*{{{tex(name)}}}" + "\n" + body(words) for name, words in text.items()
    )
    return (
        "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n\\usepackage[utf8]{inputenc}\n"
        "\\begin{document}\n\\section*{Methods}\n"
        f"\\emph{{{tex(_HEAD)}}}\n\n{sections}\n\n"
        f"\\bibliographystyle{{plain}}\n\\bibliography{{{bib}}}\n\\end{{document}}\n"
    )
