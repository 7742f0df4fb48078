"""Which images are echoes of one BOLD run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

#: Extensions of images.
_IMAGE = (".nii.gz", ".nii")

_Parsed = Mapping[str, tuple[dict[str, str], str, str]]


def echoes_of(parsed: _Parsed, folder: Iterable[str], path: str) -> list[str]:
    """Images of a folder that differ from an image in ``echo-`` alone, itself among them.

    Parameters
    ----------
    parsed
        Entities, suffix and extension by path.
    folder
        Paths of the files beside the image.
    path
        The image.

    Returns
    -------
    list of str
        In the order of the echoes; ``path`` alone where its name has no echo.
    """
    entities, suffix, _ = parsed[path]
    if not entities.get("echo"):
        return [path]
    run = _without_echo(entities)
    echoes = [
        (_number(parsed[other][0]["echo"]), other)
        for other in folder
        if parsed[other][1] == suffix
        and parsed[other][2] in _IMAGE
        and parsed[other][0].get("echo")
        and _without_echo(parsed[other][0]) == run
    ]
    return [other for _, other in sorted(echoes)]


def _without_echo(entities: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in entities.items() if key != "echo"}


def _number(label: str) -> tuple[int, str]:
    return (int(label), label) if label.isdecimal() else (2**31, label)
