"""The metabolites: one table of what is fitted, summed, reported, drawn and written as a marker.

A new marker of spectroscopy is one row of :data:`REPORTED`: its definitions, its column in
``fit.tsv``, its ratio, its concentration and its curve in the figure of the fit follow from it.
"""

from __future__ import annotations

from dataclasses import dataclass

#: What the basis holds by default, in the order of its columns; each has a spin system.
METABOLITES = (
    "Ala", "Asc", "Asp", "Cr", "PCr", "GABA", "Gln", "Glu", "GPC", "GSH", "Ins", "Lac", "NAA",
    "NAAG", "PCh", "PE", "sIns", "Tau",
)  # fmt: skip

#: What it may hold too. Their amounts cannot be told from inositol's at 3 T.
FURTHER_METABOLITES = ("Glc", "Gly")


@dataclass(frozen=True)
class ReportedMetabolite:
    """A metabolite, or a sum of metabolites that are hard to tell apart, that becomes a marker.

    Attributes
    ----------
    name
        As fits call it: ``Glu``, ``tNAA``.
    marker
        As in ``markers.tsv``: ``glu``, ``tnaa``.
    title
        In words, for the definitions of its markers.
    parts
        Columns of the fit that it is the sum of.
    drawn
        Whether it has a curve of its own in the figure of the fit, and a row for its Cramér-Rao
        bound in the MRSinMRS table.
    label
        What the figure calls it, where that is another name.
    """

    name: str
    marker: str
    title: str
    parts: tuple[str, ...]
    drawn: bool = True
    label: str = ""


#: Every reported metabolite, in the order of tables.
REPORTED = (
    ReportedMetabolite("Glu", "glu", "glutamate", ("Glu",)),
    ReportedMetabolite("Gln", "gln", "glutamine", ("Gln",)),
    ReportedMetabolite("Glx", "glx", "glutamate plus glutamine", ("Glu", "Gln"), drawn=False),
    ReportedMetabolite("GSH", "gsh", "glutathione", ("GSH",)),
    ReportedMetabolite(
        "tNAA", "tnaa", "N-acetylaspartate plus N-acetylaspartylglutamate", ("NAA", "NAAG")
    ),
    ReportedMetabolite("tCr", "tcr", "creatine plus phosphocreatine", ("Cr", "PCr")),
    ReportedMetabolite("tCho", "tcho", "glycerophosphocholine plus phosphocholine", ("GPC", "PCh")),
    ReportedMetabolite("Ins", "ins", "myo-inositol", ("Ins",), label="mI"),
)

#: What is reported only where the difference of edited spectra is taken for it, by the metabolite
#: that is edited; its part is a column of ``fit.tsv`` that no other spectrum has.
EDITED_ONLY = {
    "GABA": ReportedMetabolite(
        "GABA+",
        "gaba",
        "GABA with the macromolecules that are edited along with it (GABA+), from edited spectra "
        "only,",
        ("GABA+",),
        drawn=False,
    )
}

#: Columns of the fit of a difference that such a part is the sum of.
EDITED_PARTS = {"GABA+": ("GABA", "MM30")}

#: The marker that ratios are taken to.
REFERENCE = "tcr"

#: Markers by name.
MARKERS = {reported.marker: reported for reported in (*REPORTED, *EDITED_ONLY.values())}

#: Parts of the sums, by the sum's name.
SUMS = {reported.name: reported.parts for reported in REPORTED if len(reported.parts) > 1}

#: Columns of a fit, by what is reported.
PARTS = {reported.name: reported.parts for reported in REPORTED}


def is_macromolecule(name: str) -> bool:
    """Whether a column of a fit is broad: MM09, Mac, MMBL, Lip13."""
    return name.startswith(("MM", "Mac", "Lip"))
