"""The mask of a visit in which lesions are marked, and what belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from commissure.dataset.tree import LESION_MASKS
from commissure.names import parse_name

if TYPE_CHECKING:
    from commissure.dataset.associations import Associations
    from commissure.dataset.index import Entry

#: Images in which lesions are marked, the first that fits; ``ct`` is not in BIDS yet.
IMAGES = ("ct", "T1w", "FLAIR", "T2w")

#: Table of a dataset with what else is known of visits, for response criteria.
VISITS = "phenotype/lesion.tsv"

# What the name of a mask says beside that of its image.
_OF_THE_MASK = frozenset(("label", "desc", "seg", "space", "res", "den", "mod"))


def of_mask(associations: Associations, path: str) -> dict[str, str]:
    """Files that belong to a mask of lesions, by what they are to it.

    Returns
    -------
    dict
        ``image``, in which they are marked: beside the mask, or in the folder of that visit where
        the mask lies among the derivatives, with the entities of its name, and of
        the suffix that ``mod-`` says, if any; ``labels``, the table of its labels (``dseg.tsv``);
        ``sessions`` and ``scans``, tables with the times of visits; ``visits``, the table
        :data:`VISITS` of the dataset.
    """
    _, suffix, _ = associations.parsed[path]
    tables = associations.applying(path, suffix, ".tsv")
    found = {
        "image": _image(associations, path),
        "labels": tables[-1] if tables else "",
        **of_visit(associations, path),
    }
    return {key: file for key, file in found.items() if file in associations.parsed}


def of_visit(associations: Associations, path: str) -> dict[str, str]:
    """Tables with what is known of a visit; those that are not there have a name all the same."""
    entities = associations.parsed[path][0]
    person = f"sub-{entities['sub']}"
    session = f"ses-{entities['ses']}" if entities.get("ses") else ""
    name = "_".join(filter(None, (person, session, "scans.tsv")))
    return {
        "sessions": f"{person}/{person}_sessions.tsv",
        "scans": "/".join(filter(None, (person, session, name))),
        "visits": VISITS,
    }


def _image(associations: Associations, path: str) -> str:
    """The image of a mask: of those that fit, the one with least more in its name."""
    entities = associations.parsed[path][0]
    shared = {key: value for key, value in entities.items() if key not in _OF_THE_MASK}
    wanted = (entities["mod"],) if "mod" in entities else IMAGES
    fitting = []
    folder = path.removeprefix(f"{LESION_MASKS}/").rpartition("/")[0]
    for candidate in associations.by_folder.get(folder, ()):
        its, suffix, _ = associations.parsed[candidate]
        if suffix not in wanted or not associations.is_image(candidate):
            continue
        if all(its.get(key) == value for key, value in shared.items()):
            fitting.append((len(its), wanted.index(suffix), candidate))
    return min(fitting)[2] if fitting else ""


def one_mask(masks: Sequence[Entry]) -> dict[str, str]:
    """Of several masks of a visit, why each but one is not used, by its path.

    Labels (``dseg``) are preferred to a ``mask``, those of images after contrast to others, and
    what has no ``desc-`` to what has one.
    """
    visits: dict[tuple[str, str], list[Entry]] = {}
    for mask in masks:
        visits.setdefault((mask.participant_id, mask.session), []).append(mask)
    notes: dict[str, str] = {}
    for together in visits.values():
        first, *others = sorted(together, key=_disadvantages)
        name = first.scan.rpartition("/")[2]
        notes |= {other.scan: f"another mask of this visit is used ({name})" for other in others}
    return notes


def _disadvantages(mask: Entry) -> tuple[bool, bool, bool, bool, str]:
    entities, suffix, _ = parse_name(mask.scan.rpartition("/")[2])
    without_image = "image" not in mask.associated
    return without_image, suffix != "dseg", "ce" not in entities, "desc" in entities, mask.scan
