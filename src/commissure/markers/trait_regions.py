"""Which regions of a marker are the traits of a published pattern, whoever measured them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from commissure.dwi.enigma_names import corrected_names
from commissure.errors import DatasetError
from commissure.markers.effect_patterns import COMPOUND_TRACTS, EffectPattern, effect_pattern
from commissure.markers.vulnerability import MIN_TRAITS

#: Markers that are preferred where several hold the traits, by set of traits.
PREFERRED = {"fa": ("tbss_fa", "fa"), "subcortical": ("volume",), "thickness": ("thickness",)}

#: How FreeSurfer and ENIGMA write the deep structures.
_STRUCTURES = {
    "latvent": "LateralVentricle", "lateralventricle": "LateralVentricle",
    "thal": "Thalamus", "thalamus": "Thalamus", "thalamusproper": "Thalamus",
    "caud": "Caudate", "caudate": "Caudate", "put": "Putamen", "putamen": "Putamen",
    "pal": "Pallidum", "pallidum": "Pallidum", "hippo": "Hippocampus",
    "hippocampus": "Hippocampus", "amyg": "Amygdala", "amygdala": "Amygdala",
    "accumb": "Accumbens", "accumbens": "Accumbens", "accumbensarea": "Accumbens",
}  # fmt: skip
_SIDES = {"l": "L", "lh": "L", "left": "L", "r": "R", "rh": "R", "right": "R"}


@dataclass(frozen=True)
class TraitSet:
    """Traits that an index is made of.

    Attributes
    ----------
    name
        As in ``vulnerability.tsv``.
    measure
        ``fa``, ``subcortical`` or ``thickness``, as in the table of effects.
    title
        For a reader.
    left_out
        Traits of the published pattern that are not taken.
    head_size
        Whether head size is a covariate: the traits are volumes.
    """

    name: str
    measure: str
    title: str
    left_out: tuple[str, ...] = ()
    head_size: bool = False

    def pattern(self, disorder: str) -> EffectPattern:
        """The effects of a disorder on these traits."""
        return effect_pattern(self.measure, disorder).without(self.left_out)


TRAIT_SETS: tuple[TraitSet, ...] = (
    TraitSet("fa", "fa", "White matter, 24 tracts"),
    TraitSet("fa_21", "fa", "White matter, 21 tracts (no CC, IC, CR)", left_out=COMPOUND_TRACTS),
    TraitSet("subcortical", "subcortical", "Deep grey matter and ventricles", head_size=True),
    TraitSet("thickness", "thickness", "Thickness of the cortex"),
)


def trait_regions(
    regions: Iterable[str], pattern: EffectPattern, measure: str
) -> dict[str, tuple[str, ...]]:
    """The region of each trait, or both sides' where there is no region of both.

    Parameters
    ----------
    regions
        Of one marker: ours (``ACR``, ``Hippocampus_L``), FreeSurfer's (``Left-Hippocampus``,
        ``lh_fusiform_thickness``) or ENIGMA's (``ACR-L``, ``Lhippo``, ``L_fusiform_thickavg``).
    pattern
        The traits that are looked for.
    measure
        As in :class:`TraitSet`.

    Returns
    -------
    dict
        By trait, in the order of the pattern; a trait without region, or with one side only, is
        absent. Empty where fewer than :data:`commissure.markers.vulnerability.MIN_TRAITS` are
        there.
    """
    names = list(dict.fromkeys(regions))
    written = _tracts(names) if measure == "fa" else {name: name for name in names}
    places: dict[tuple[str, str], str] = {}
    for name, ours in written.items():
        places.setdefault(_trait_and_side(ours, measure), name)
    chosen: dict[str, tuple[str, ...]] = {}
    for trait in pattern.traits:
        sides = [places[trait, side] for side in "LR" if (trait, side) in places]
        if (trait, "") in places:
            chosen[trait] = (places[trait, ""],)
        elif len(sides) == 2:
            chosen[trait] = tuple(sides)
    return chosen if len(chosen) >= MIN_TRAITS * len(pattern.traits) else {}


def marker_of_traits(
    regions_of: Mapping[tuple[str, str], Iterable[str]], traits: TraitSet, disorder: str
) -> tuple[tuple[str, str], dict[str, tuple[str, ...]]] | None:
    """The marker that holds the traits of a set, and the regions of each; None where none does.

    Parameters
    ----------
    regions_of
        Regions by modality and marker.
    traits, disorder
        The traits, and the disorder whose effects on them are known.
    """
    preferred, pattern = PREFERRED[traits.measure], traits.pattern(disorder)
    order = sorted(
        regions_of, key=lambda key: preferred.index(key[1]) if key[1] in preferred else 9
    )
    for key in order:
        if key[1] not in preferred and not _measures(key[1], traits.measure):
            continue
        regions = trait_regions(regions_of[key], pattern, traits.measure)
        if regions:
            return key, regions
    return None


def _measures(marker: str, measure: str) -> bool:
    """Whether a lab's marker says by its name that it is the measure."""
    word = {"fa": r"(^|_)fa(_|$)", "subcortical": "vol", "thickness": "thick"}[measure]
    return re.search(word, marker.casefold()) is not None


def _tracts(names: list[str]) -> dict[str, str]:
    try:
        return corrected_names(names, who="tracts")
    except DatasetError:
        # Old or new names cannot be told: these tracts are in no index, all others may be.
        return {name: name for name in names if not re.match(r"(IFO|UNC|TAP)\b", name)}


def _trait_and_side(region: str, measure: str) -> tuple[str, str]:
    """Trait and side (empty for both) that a region's name says."""
    if measure == "fa":
        root, _, side = region.rpartition("_")
        return (root, side) if side in ("L", "R") and root else (region, "")
    words = [word for word in re.split(r"[\W_]+", region) if word]
    plain = [word.casefold() for word in words if word.casefold() not in _ENDINGS]
    sides = {_SIDES[word] for word in plain if word in _SIDES}
    trait = "".join(word for word in plain if word not in _SIDES)
    if measure == "thickness":
        return trait, sides.pop() if len(sides) == 1 else ""
    if trait not in _STRUCTURES and trait[:1] in ("l", "r") and trait[1:] in _STRUCTURES:
        return _STRUCTURES[trait[1:]], trait[0].upper()  # ENIGMA's Lhippo
    return _STRUCTURES.get(trait, region), sides.pop() if len(sides) == 1 else ""


#: Words after a region's name that only say what was measured.
_ENDINGS = ("thickness", "thickavg", "volume", "vol", "mm3", "ctx")
