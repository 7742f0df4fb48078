"""Which T1w image of a visit is used, where there are several.

What names and settings tell is decided when a run is planned; between images that they leave equal
the contrast decides, which the job measures (:mod:`commissure.dataset.contrast`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from commissure.names import parse_name

#: What the configuration may ask of the T1w images: values by entity, or by ``suffix``.
Wanted = Mapping[str, Sequence[str]]

#: Said of each of several images of a visit that only the contrast tells apart.
EQUALS = "one of {count} T1w images of this visit; the one with most contrast is used"

#: What an image is that is preferred to another, by disadvantage of the other.
BETTER = ("as it was acquired", "without a contrast agent", "that is no ratio of an MP2RAGE")


@dataclass(frozen=True)
class Candidate:
    """A T1w image of a visit.

    Attributes
    ----------
    scan
        Its path below the dataset.
    """

    scan: str

    @property
    def name(self) -> str:
        """The file's name."""
        return self.scan.rsplit("/", 1)[-1]

    def reason_against(self, wanted: Wanted) -> str:
        """Why the image is not one that the configuration or any study wants; empty if it is."""
        entities, suffix, _ = parse_name(self.name)
        if entities.get("part") in ("phase", "real", "imag"):
            return f"part-{entities['part']} images are not used"
        for key, values in wanted.items():
            value = suffix if key == "suffix" else entities.get(key, "")
            if not any(_same(value, other) for other in values):
                asked = " or ".join(
                    other if key == "suffix" else f"{key}-{other}" if other else f"no {key}-"
                    for other in values
                )
                return f"anat.image asks for {asked}"
        return ""

    def disadvantages(self) -> tuple[bool, bool, bool]:
        """Whether it was processed already, whether a contrast agent was given, whether a ratio.

        What made an image with ``desc-`` is not known. Vessels and the pituitary that an agent
        brightens are taken for tissue; the air of a ratio of an MP2RAGE is noise.
        """
        entities, suffix, _ = parse_name(self.name)
        return "desc" in entities, "ce" in entities, suffix == "UNIT1"


def _same(value: str, other: str) -> bool:
    """Whether two values of an entity are equal; of numbers, leading zeros do not count."""
    both_numbers = value.isdecimal() and other.isdecimal()
    return int(value) == int(other) if both_numbers else value == other


def choice(scans: Sequence[str], wanted: Wanted) -> dict[str, tuple[bool, str]]:
    """Choose among the T1w images of one visit by their names.

    Parameters
    ----------
    scans
        Paths below the dataset.
    wanted
        ``anat.image`` of the configuration.

    Returns
    -------
    dict
        Of each path, whether it is used, and why not. Several that are used are equal by their
        names; then the second says so.
    """
    decided: dict[str, tuple[bool, str]] = {}
    left = []
    for scan in scans:
        candidate = Candidate(scan)
        if against := candidate.reason_against(wanted):
            decided[scan] = False, against
        else:
            left.append(candidate)
    best = min((candidate.disadvantages() for candidate in left), default=None)
    equal = [candidate for candidate in left if candidate.disadvantages() == best]
    for candidate in left:
        if candidate in equal:
            note = EQUALS.format(count=len(equal)) if len(equal) > 1 else ""
            decided[candidate.scan] = True, note
            continue
        reasons = zip(candidate.disadvantages(), best or (), BETTER, strict=False)
        why = next(better for this, least, better in reasons if this and not least)
        decided[candidate.scan] = False, f"an image of this visit {why} is used ({equal[0].name})"
    return decided
