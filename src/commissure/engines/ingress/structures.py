"""Names and limits of brain structures in the tables of several tools."""

from __future__ import annotations

#: Sides by the words of the tools.
SIDES = {"Left": "L", "Right": "R", "lh": "L", "rh": "R"}

#: Limits of what people have: head size (mm3) and mean thickness of a region (mm).
ETIV_MM3 = (0.9e6, 2.2e6)
THICKNESS_MM = (1.0, 5.0)

#: Names of the house for structures whose name in the table is another.
_STRUCTURES = {
    "Thalamus-Proper": "Thalamus",
    "Accumbens-area": "Accumbens",
    "Inf-Lat-Vent": "InferiorLateralVentricle",
    "3rd-Ventricle": "ThirdVentricle",
    "4th-Ventricle": "FourthVentricle",
    "5th-Ventricle": "FifthVentricle",
    "choroid-plexus": "ChoroidPlexus",
    "vessel": "Vessel",
}


def region_of(name: str) -> str:
    """A structure's name in the table as a region: ``Left-Thalamus-Proper`` is ``Thalamus_L``."""
    first, _, rest = name.partition("-")
    side = SIDES.get(first)
    bare = rest if side else name
    region = _STRUCTURES.get(bare, bare.replace("-", ""))
    return f"{region}_{side}" if side else region
