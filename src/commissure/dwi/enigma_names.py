"""ENIGMA-DTI's tracts: their names, and which of them are averages of others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from commissure.errors import DatasetError

#: Tracts that have two sides.
PAIRED = (
    "CST", "ALIC", "PLIC", "RLIC", "ACR", "SCR", "PCR", "PTR", "SS", "EC", "CGC", "CGH", "FXST",
    "SLF", "SFO", "UNC", "TAP",
)  # fmt: skip
#: Corpus callosum, internal capsule and corona radiata, of their parts.
COMPOUNDS = {
    "CC": ("GCC", "BCC", "SCC"),
    "IC": ("ALIC", "PLIC", "RLIC"),
    "CR": ("ACR", "SCR", "PCR"),
}


def _averages() -> dict[str, tuple[str, ...]]:
    averages: dict[str, tuple[str, ...]] = {n: (f"{n}_L", f"{n}_R") for n in PAIRED}
    averages["CC"] = COMPOUNDS["CC"]
    for name in ("IC", "CR"):
        for side in ("L", "R"):
            averages[f"{name}_{side}"] = tuple(f"{part}_{side}" for part in COMPOUNDS[name])
        averages[name] = averages[f"{name}_L"] + averages[f"{name}_R"]
    return averages


#: Averages of labels of the atlas, by name: both sides of a tract, and compounds.
AVERAGES: Mapping[str, tuple[str, ...]] = _averages()


def corrected_names(names: Iterable[str], *, who: str) -> dict[str, str]:
    """Our names of ENIGMA-DTI's columns: sides at the end, and the labels' corrected names.

    ENIGMA's look-up table calls labels 45 and 46 ``IFO`` and 47 and 48 ``UNC``; in the corrected
    atlas they are ``UNC`` (uncinate fasciculus) and ``TAP`` (tapetum). A table that has ``IFO`` is
    read by the old names, one that has ``TAP`` by the new ones.

    Parameters
    ----------
    names
        As ``ACR-L``, ``FX/ST-R``, ``IFO``.
    who
        Named in errors.

    Returns
    -------
    dict
        Our name (``ACR_L``, ``FXST_R``, ``UNC``) by the one given.

    Raises
    ------
    DatasetError
        ``UNC`` stands without either of the two, so that it may be either tract, or both old and
        new names are there.
    """
    plain = {name: name.replace("FX/ST", "FXST").replace("-", "_") for name in names}
    roots = {name.removesuffix("_L").removesuffix("_R") for name in plain.values()}
    if "UNC" in roots and ("IFO" in roots) == ("TAP" in roots):
        both = "IFO" in roots
        raise DatasetError(
            who,
            found="IFO, UNC and TAP" if both else "UNC without IFO or TAP",
            wanted="ENIGMA's old names (IFO, UNC) or the corrected ones (UNC, TAP)",
            mend="Labels 45 and 46 of the atlas are UNC, 47 and 48 are TAP: name them so",
        )
    if "IFO" not in roots:
        return plain
    new = {"IFO": "UNC", "UNC": "TAP"}
    return {
        name: "_".join([new.get(root, root), *side])
        for name, (root, *side) in ((name, ours.split("_")) for name, ours in plain.items())
    }
