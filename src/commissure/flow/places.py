"""Where a run may write: never into the dataset, never over what it reads."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from commissure.errors import ConfigError

_MOUNTS = Path("/proc/self/mountinfo")


@dataclass(frozen=True)
class Location:
    """Where a path is on its file system, whichever links and mounts lead there.

    Attributes
    ----------
    device
        The file system; empty where the system does not list its mounts.
    parts
        Folders from the root of the file system, where mounts are known.
    """

    device: str
    parts: tuple[str, ...]

    @classmethod
    def of(cls, path: Path, mounts: Sequence[tuple[Path, str, Path]]) -> Location:
        """Find a path, which need not exist yet.

        Parameters
        ----------
        mounts
            Of :func:`mounted`.
        """
        real = Path(os.path.realpath(path))
        best: tuple[Path, str, Path] | None = None
        for mount in mounts:
            # Of several on one folder the last hides the others.
            if real.is_relative_to(mount[0]) and (
                best is None or len(mount[0].parts) >= len(best[0].parts)
            ):
                best = mount
        if best is None:
            return cls("", real.parts[1:])
        point, device, root = best
        return cls(device, (root / real.relative_to(point)).parts[1:])


def mounted(table: str | None = None) -> list[tuple[Path, str, Path]]:
    """Mounts of this system: the folder, the file system, and the folder of it that is shown.

    Parameters
    ----------
    table
        Text as in ``/proc/self/mountinfo``, which is read if nothing is given.
    """
    if table is None:
        try:
            table = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return []
    rows = (line.split(" ") for line in table.splitlines())
    return [(_path(row[4]), row[2], _path(row[3])) for row in rows if len(row) > 4]


def _path(text: str) -> Path:
    for code, sign in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, sign)
    return Path(text)


def below(inner: Path, outer: Path) -> tuple[str, ...] | None:
    """Folders that lead from ``outer`` to ``inner``; None where it is not in it.

    Links and bind mounts are seen through: by the place on the file system, and by the identity
    (device and inode) of every folder above ``inner``.
    """
    mounts = mounted()
    one, other = Location.of(inner, mounts), Location.of(outer, mounts)
    if one.device == other.device and one.parts[: len(other.parts)] == other.parts:
        return one.parts[len(other.parts) :]
    real = Path(os.path.realpath(inner))
    for folder in (real, *real.parents):
        try:
            if os.path.samefile(folder, outer):
                return real.relative_to(folder).parts
        except OSError:
            continue
    return None


def check_path(key: str, path: str) -> None:
    """Refuse a path that means another one than it seems, or none.

    Raises
    ------
    ConfigError
        It is blank, starts with ``~``, or holds braces or signs that cannot be printed.
    """
    if not path.strip():
        problem = "it is empty", "a folder or file"
    elif path.startswith("~"):
        problem = f"{path} starts with ~, which only a shell replaces", "the whole path"
    elif "{" in path or "}" in path:
        problem = f"{path} holds braces, in which the workflow sees a wildcard", "a path without"
    elif not path.isprintable():
        problem = f"{path!r} holds signs that cannot be printed", "a path without"
    else:
        return
    raise ConfigError(
        key, found=problem[0], wanted=problem[1], mend=f"Correct {key} in config.yaml"
    )


#: Where a run is repeated on inputs that were moved, below its output folder.
REPEATED = Path("work/tolerances")


def check_output(output_dir: Path, bids: Path | None, inputs: Mapping[str, Path]) -> None:
    """Refuse an output folder in which something of the user's would be overwritten.

    Parameters
    ----------
    output_dir
        Where the results are to go; made if it is not there.
    bids
        The dataset, if there is one.
    inputs
        Tables that the run reads, by their names in the configuration.

    Raises
    ------
    ConfigError
        The folder is the dataset, lies above it, or lies in it but under ``derivatives``; it holds
        a table that the run reads, or the results of something else; it lies in the results of
        another run; it cannot be written.
    """
    if bids is not None and bids.is_dir():
        _check_against_dataset(output_dir, bids)
    for key, path in inputs.items():
        if below(path, output_dir) is not None:
            raise _refused(
                f"it holds {path}, which the run reads ({key})",
                "a folder in which only results are",
                f"Move {path.name} elsewhere, or name another folder under output_dir",
            )
    place = Path(os.path.abspath(output_dir))
    for folder in place.parents:
        # A study measures a few people again in a folder of its own (`snakemake tolerances`).
        if place.is_relative_to(folder / REPEATED):
            continue
        if (folder / "work/index.json").is_file() and (folder / "work/command.txt").is_file():
            raise _refused(
                f"{output_dir} lies in the results of another run ({folder})",
                "a folder of its own",
            )
    _check_owner(output_dir)
    _check_writable(output_dir)


def _check_against_dataset(output_dir: Path, bids: Path) -> None:
    inside = below(output_dir, bids)
    if inside is not None and (inside[:1] != ("derivatives",) or len(inside) < 2):
        where = "is the dataset itself" if not inside else f"lies in the dataset {bids}"
        raise _refused(
            f"{output_dir} {where}",
            "a folder outside the dataset, or one under its derivatives/",
            f"Set output_dir in config.yaml, as to {bids / 'derivatives/commissure'}",
        )
    if inside is None and below(bids, output_dir) is not None:
        raise _refused(
            f"the dataset {bids} lies in {output_dir}", "a folder in which only results are"
        )


def _check_owner(output_dir: Path) -> None:
    """Refuse the folder of another dataset, or of the derivatives of another software."""
    description = output_dir / "dataset_description.json"
    if not description.is_file() or (output_dir / "work/index.json").exists():
        return
    try:
        content = json.loads(description.read_text(encoding="utf-8"))
        makers = [str(maker.get("Name")) for maker in content.get("GeneratedBy", ())]
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        makers = []
    if "Commissure" not in makers:
        what = f"the derivatives of {makers[0]}" if makers else "a dataset"
        raise _refused(f"{output_dir} holds {what}", "an empty folder, or that of an earlier run")


def _check_writable(output_dir: Path) -> None:
    work = output_dir / "work"
    probe = work / f".{os.getpid()}-probe"
    try:
        work.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _refused(
            f"{output_dir} cannot be written ({error.strerror})", "a folder for results"
        ) from error


def _refused(
    found: str, wanted: str, mend: str = "Name another folder under output_dir in config.yaml"
) -> ConfigError:
    return ConfigError("output_dir", found=found, wanted=wanted, mend=mend)
