"""Where ``resources/`` lies: at a checkout's root, inside the package in an installation."""

from __future__ import annotations

from pathlib import Path

from commissure.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parents[1]

#: The folder of everything that comes with the program beside its code.
RESOURCES = next(
    (root for root in (_PACKAGE / "resources", _PACKAGE.parents[1] / "resources") if root.is_dir()),
    _PACKAGE / "resources",
)


def resource(*parts: str) -> Path:
    """Path of a file that comes with the program.

    Folders are to be written as literals, ``resource("atlases", "schaefer2018", name)``: so the
    digest of a job's code (:mod:`commissure.flow.code`) sees which files it depends on.

    Parameters
    ----------
    parts
        Path below ``resources/``.

    Raises
    ------
    ConfigError
        The file does not exist.
    """
    path = RESOURCES.joinpath(*parts)
    if not path.exists():
        raise ConfigError(
            "/".join(("resources", *parts)),
            found="the file did not come with this installation",
            mend="Install commissure from a complete clone",
        )
    return path
