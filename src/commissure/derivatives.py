"""The base of every typed set of derivative files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True)
class Derivatives:
    """Paths of the files that one step writes for one image.

    A modality's ``derivatives.py`` has a frozen subclass for each step, made by its classmethod
    ``of(scan, folder)``: every field that is a path (or a tuple of paths) is a file. What a step
    may leave out is named in :attr:`optional`.
    """

    #: Fields whose file need not be there.
    optional: ClassVar[frozenset[str]] = frozenset()

    def files(self) -> dict[str, tuple[Path, ...]]:
        """Paths by field."""
        found = {}
        for name, value in vars(self).items():
            paths = (value,) if isinstance(value, Path) else value
            if isinstance(paths, tuple) and all(isinstance(path, Path) for path in paths):
                found[name] = paths
        return found

    def absent(self) -> list[Path]:
        """Required files that are not there."""
        return [
            path
            for name, paths in self.files().items()
            if name not in self.optional
            for path in paths
            if not path.is_file()
        ]

    def present(self) -> list[Path]:
        """Files that are there, required or not."""
        return [path for paths in self.files().values() for path in paths if path.is_file()]

    def complete(self) -> bool:
        """Whether every required file is there."""
        return not self.absent()
