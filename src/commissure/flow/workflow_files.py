"""The workflow as files: where they lie, and how they are laid into a folder of a study's own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from commissure import __version__
from commissure.errors import ConfigError
from commissure.files import write_text
from commissure.images.resources import RESOURCES

_PACKAGE = Path(__file__).resolve().parents[1]

#: Folder of Snakefile, config.yaml and workflow/: a checkout's root, or inside the package.
WORKFLOW_FILES = next(
    (
        root
        for root in (_PACKAGE / "workflow_files", _PACKAGE.parents[1])
        if (root / "Snakefile").is_file()
    ),
    _PACKAGE / "workflow_files",
)

#: In a laid folder: the version of the program that its workflow came with.
VERSION_FILE = "workflow/VERSION"
#: Never replaced, not even by an update: what the study itself decided, and what its lab has.
_OF_THE_STUDY = ("config.yaml", "site.yaml")
# The literal `--profile slurm` is looked up as ./slurm/config.yaml.
_PROFILE = "workflow/profiles/slurm/config.yaml"
_PASSED_OVER = {"__pycache__", ".snakemake", "VERSION"}


def lay_workflow(folder: Path, *, update: bool = False) -> list[str]:
    """Lay Snakefile, configuration, rules, scripts and profiles into a folder.

    Parameters
    ----------
    folder
        It is made where it is not there. What is there and is the same is left alone.
    update
        Replace the files of another version; ``config.yaml`` and ``site.yaml`` are kept.

    Returns
    -------
    list of str
        What was written, as paths below the folder.

    Raises
    ------
    ConfigError
        The installation has no workflow, or the folder holds other files under the same names and
        ``update`` is not asked for. Nothing is written then.
    """
    contents = dict(_contents())
    differing = [name for name, text in contents.items() if _differs(folder / name, text)]
    in_the_way = [name for name in differing if name not in (*_OF_THE_STUDY, VERSION_FILE)]
    if in_the_way and not update:
        more = f" and {len(in_the_way) - 1} more" if len(in_the_way) > 1 else ""
        raise ConfigError(
            str(folder),
            found=f"{in_the_way[0]}{more} are there and differ from those of version {__version__}",
            wanted="an empty folder, or one that this version laid",
            mend="Name another folder, or replace them by `commissure init --update`",
        )
    written = []
    for name, text in contents.items():
        path = folder / name
        if path.exists() and (name in _OF_THE_STUDY or name not in differing):
            continue
        write_text(text, path)
        written.append(name)
    if update:
        _remove_stale(folder, set(contents))
    return written


def check_laid_version(root: Path) -> None:
    """Refuse a laid workflow of another version than the program that it would run.

    Parameters
    ----------
    root
        Folder of the Snakefile. A checkout has no version file: its workflow and its program are
        of one commit.

    Raises
    ------
    ConfigError
        The versions differ.
    """
    file = root / VERSION_FILE
    if not file.is_file():
        return
    version = file.read_text(encoding="utf-8").strip()
    if version != __version__:
        raise ConfigError(
            str(file.relative_to(root)),
            found=f"the workflow is of version {version[:40]!r}, the installed program of "
            f"{__version__}",
            wanted="one version",
            mend="Run `commissure init --update .` in this folder, or install the other version",
        )


def _contents() -> Iterator[tuple[str, str]]:
    """Text of every file to lay, by its path in the folder."""
    if not (WORKFLOW_FILES / "Snakefile").is_file():
        raise ConfigError(
            "commissure init",
            found="this installation has no workflow",
            wanted="a wheel of commissure, or a clone",
            mend="Install commissure from its wheel",
        )
    yield "Snakefile", _text(WORKFLOW_FILES / "Snakefile")
    yield "config.yaml", _stamped(_text(WORKFLOW_FILES / "config.yaml"))
    yield "site.yaml", _text(WORKFLOW_FILES / "site.yaml")
    for path in sorted((WORKFLOW_FILES / "workflow").rglob("*")):
        if path.is_file() and not _PASSED_OVER & set(path.parts) and path.suffix != ".pyc":
            yield path.relative_to(WORKFLOW_FILES).as_posix(), _text(path)
    yield "slurm/config.yaml", _text(WORKFLOW_FILES / _PROFILE)
    yield "resources/config.schema.json", _text(RESOURCES / "config.schema.json")
    yield "envs/requirements.lock", _text(WORKFLOW_FILES / "envs/requirements.lock")
    yield VERSION_FILE, f"{__version__}\n"


def _stamped(text: str) -> str:
    """The configuration with the version that it is written for."""
    return re.sub(r"^(?=bids_dir:)", f"version: {__version__}\n", text, count=1, flags=re.M)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _differs(path: Path, text: str) -> bool:
    return path.exists() and path.read_bytes() != text.encode()


def _remove_stale(folder: Path, names: set[str]) -> None:
    """Take out rules and scripts that this version has no longer: no rule includes them."""
    for place in ("workflow/rules", "workflow/scripts"):
        for path in sorted((folder / place).rglob("*")):
            if path.is_dir() and path.name == "__pycache__":
                shutil.rmtree(path)
            elif path.is_file() and path.relative_to(folder).as_posix() not in names:
                path.unlink()
