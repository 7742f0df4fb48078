"""Where ``resources/`` lies: at a checkout's root, inside the package in an installation."""

from __future__ import annotations

from pathlib import Path

from commissure.errors import ConfigError


def resource(*parts: str) -> Path:
    """Path of a file that comes with the program.

    Parameters
    ----------
    parts
        Path below ``resources/``, as ``resource("atlases", "jhu189", "labels.tsv")``.

    Raises
    ------
    ConfigError
        The file does not exist.
    """
    package = Path(__file__).resolve().parents[1]
    for root in (package / "resources", package.parents[1] / "resources"):
        if (path := root.joinpath(*parts)).exists():
            return path
    raise ConfigError(
        "/".join(("resources", *parts)),
        found="the file did not come with this installation",
        mend="Install commissure from a complete clone",
    )
