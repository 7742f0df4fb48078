"""What fitted spectra of all tools have in common: metabolites, limits, names of files and rows."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from commissure.definitions import Definition
from commissure.engines.ingress.results import Absence, Ingested, number_of, person_of
from commissure.engines.ingress.settings import IngressSettings
from commissure.errors import DatasetError
from commissure.mrs.metabolites import REFERENCE, REPORTED
from commissure.rows import Marker, Quality

#: The tools' names of what is reported; the first that a table has counts. Osprey's tables cannot
#: have a plus sign in a heading.
NAMES = {
    "glu": ("Glu",),
    "gln": ("Gln",),
    "glx": ("Glx", "Glu+Gln", "Gln+Glu", "Glu_Gln", "Gln_Glu"),
    "gsh": ("GSH", "Glth"),
    "tnaa": ("tNAA", "NAA+NAAG", "NAAG+NAA", "NAA_NAAG", "NAAG_NAA"),
    "tcr": ("tCr", "Cr+PCr", "PCr+Cr", "Cr_PCr", "PCr_Cr"),
    "tcho": ("tCho", "GPC+PCh", "PCh+GPC", "GPC+PCho", "PCho+GPC", "GPC_PCh", "PCh_GPC",
             "GPC_PCho", "PCho_GPC"),
    "ins": ("Ins", "mI"),
}  # fmt: skip

#: A value with a larger Cramér-Rao bound (percent) is flagged, and kept: leaving values out by
#: a relative bound leaves out the low ones (Kreis R, Magn Reson Med 2016;75:15-18).
CRLB_PERCENT_MAX = 20.0

_VOI = re.compile(r"(?:^|[_/])voi-([a-zA-Z0-9]+)")


@dataclass(frozen=True)
class Amount:
    """What a tool says of a metabolite.

    Attributes
    ----------
    concentration
        On the scale that is read; None where the tool gives none.
    ratio
        To total creatine; None where the tool gives none.
    percent
        Cramér-Rao bound in percent of the amount; None where the tool gives none.
    """

    concentration: float | None = None
    ratio: float | None = None
    percent: float | None = None

    @property
    def quality(self) -> Quality:
        """``flag`` where the bound is beyond its limit, or the fit found nothing."""
        value = self.concentration if self.concentration is not None else self.ratio
        beyond = self.percent is not None and not self.percent <= CRLB_PERCENT_MAX
        return "flag" if beyond or (value is not None and value <= 0) else "ok"


@dataclass(frozen=True)
class Scale:
    """A scale of concentrations that a tool may give.

    Attributes
    ----------
    suffix
        Behind the markers' names; empty for the tool's best.
    unit
        Of the concentrations.
    words
        What was referred to and corrected for, and by whom.
    """

    suffix: str
    unit: str
    words: str


def fitted_definitions(
    tool: str, title: str, source: str, scales: Iterable[Scale], *, width_unit: str
) -> tuple[Definition, ...]:
    """What the markers of a tool's fits mean: concentrations, ratios, line width and noise."""
    titles = {reported.marker: reported.title for reported in REPORTED}
    concentrations = tuple(
        Definition(
            f"{tool}_{name}{scale.suffix}", "mrs", scale.unit,
            f"{title}: concentration of {titles[name]} {scale.words}", source, given_by="table",
        )
        for scale in scales for name in NAMES
    )  # fmt: skip
    ratios = tuple(
        Definition(
            f"{tool}_{name}_{REFERENCE}", "mrs", "1",
            f"{title}: {titles[name]} over total creatine, not corrected for relaxation.", source,
            given_by="table",
        )
        for name in NAMES if name != REFERENCE
    )  # fmt: skip
    return (
        *concentrations,
        *ratios,
        Definition(f"{tool}_fwhm", "mrs", width_unit, f"{title}: line width (FWHM).", source,
                   role="confound", given_by="table"),
        Definition(f"{tool}_snr", "mrs", "1", f"{title}: signal-to-noise ratio.", source,
                   role="confound", given_by="table"),
    )  # fmt: skip


def fitted_rows(
    amounts: Mapping[str, Amount], who: tuple[str, str], voxel: str, *, tool: str, scale: Scale
) -> list[Marker]:
    """Rows of concentrations and ratios, of the amounts by the tool's names."""
    rows = []
    for name, titles in NAMES.items():
        title = next((title for title in titles if title in amounts), None)
        if title is None:
            continue
        amount = amounts[title]
        values = [(f"{tool}_{name}{scale.suffix}", amount.concentration, scale.unit)]
        if name != REFERENCE:
            values.append((f"{tool}_{name}_{REFERENCE}", amount.ratio, "1"))
        rows += [
            Marker(*who, "mrs", voxel, marker, value, unit, amount.quality)
            for marker, value, unit in values
            if value is not None
        ]
    return rows


def confound_rows(
    told: Mapping[str, tuple[str, str]],
    who: tuple[str, str],
    voxel: str,
    *,
    tool: str,
    path: Path,
) -> list[Marker]:
    """Rows of line width and noise, of cell and unit by ``fwhm`` and ``snr``."""
    return [
        Marker(*who, "mrs", voxel, f"{tool}_{name}", number_of(cell, path=path, what=name), unit)
        for name, (cell, unit) in told.items()
        if cell
    ]


def voxel_of(name: str, settings: IngressSettings) -> tuple[tuple[str, str], str]:
    """Person with visit, and voxel, that a path or name says.

    Raises
    ------
    DatasetError
        It says no person, or no voxel where the settings name none.
    """
    who, voxel = person_of(name, settings.session), _VOI.search(name)
    if who is None or not (voxel or settings.voxel):
        raise DatasetError(
            name,
            found=f"its name says no {'person' if who is None else 'voxel'}",
            wanted="a name as sub-01_ses-1_voi-ACC.table: the table itself names nobody",
            mend=f"Rename {name}, or set ingress[].voxel where all are of one",
        )
    return who, voxel[1] if voxel else settings.voxel or ""


def refuse_second(
    seen: dict[tuple[str, str, str], str], who: tuple[str, str], voxel: str, name: str
) -> None:
    """Note the file of a visit's voxel, and refuse a second one.

    Raises
    ------
    DatasetError
        There was one before.
    """
    first = seen.setdefault((*who, voxel), name)
    if first != name:
        raise DatasetError(
            " ".join(filter(None, who)),
            found=f"{first} and {name} are of the same visit and voxel",
            wanted="one fit of each voxel of a visit",
            mend="Remove one of them from the folder",
        )


def tell_other_voxels(ingested: Ingested) -> None:
    """Tell who was fitted in other voxels than most people, and not in theirs."""
    of: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in ingested.rows:
        of[row.participant_id, row.session].add(row.region)
    failed = {
        (absence.participant_id, absence.session, absence.product.removeprefix("fit of "))
        for absence in ingested.absences
    }
    counts = Counter(voxel for voxels in of.values() for voxel in voxels)
    common = {voxel for voxel, count in counts.items() if 2 * count > len(of)}
    for who, voxels in of.items():
        for voxel in sorted(common - voxels):
            if (*who, voxel) not in failed:
                cause = f"{counts[voxel]} of {len(of)} visits have the voxel {voxel}; this one has "
                cause += f"{', '.join(sorted(voxels))} only"
                ingested.absences.append(Absence(*who, f"fit of {voxel}", "missing", cause))


def percent_of(deviation: float, amount: float) -> float:
    """A standard deviation in percent of its amount; infinite where that is 0."""
    return 100 * deviation / amount if amount > 0 else float("inf")
