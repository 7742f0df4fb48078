"""The images in which a network marks lesions, and what belongs to each."""

from __future__ import annotations

from commissure.dataset.associations import Associations
from commissure.dataset.lesion_masks import of_visit
from commissure.dataset.naming import in_place


def of_unmarked(associations: Associations, path: str) -> dict[str, str]:
    """Files that belong to an image in which a network marks lesions, by what they are to it.

    Keys are those of :func:`commissure.dataset.lesion_masks.of_mask`, but ``labels``.
    """
    found = {"image": path, **of_visit(associations, path)}
    return {key: file for key, file in found.items() if file in associations.parsed}


def unmarked_images(associations: Associations, suffix: str) -> list[str]:
    """The images in which a network marks lesions, one of each visit.

    Of several, one with ``ce-`` is preferred to one without, and one without ``desc-`` to one with
    it; parts of complex images are none.

    Parameters
    ----------
    associations
        The names of the dataset.
    suffix
        BIDS suffix of the images.
    """
    visits: dict[tuple[str, str], list[str]] = {}
    for path, (entities, its, _) in associations.parsed.items():
        if its != suffix or not associations.is_image(path) or "part" in entities:
            continue
        if in_place(path, entities, "lesion"):
            visits.setdefault((entities["sub"], entities.get("ses", "")), []).append(path)

    def disadvantages(path: str) -> tuple[bool, bool, int, str]:
        entities = associations.parsed[path][0]
        return "ce" not in entities, "desc" in entities, len(entities), path

    return sorted(min(together, key=disadvantages) for together in visits.values())
