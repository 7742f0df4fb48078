"""The base of every typed set of derivative files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from commissure.names import Scan


@dataclass(frozen=True)
class Derivatives:
    """Paths of the files that one step writes for one image.

    A modality's ``derivatives.py`` has a frozen subclass for each step: every field that is a path
    (or a tuple of paths) is a file. What a step may leave out is named in :attr:`optional`.
    """

    #: Fields whose file need not be there.
    optional: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def of(cls, scan: Scan, folder: Path, *args: Any, **kwargs: Any) -> Self:
        """Name the files of an image in ``folder``, its modality's folder of the person.

        A subclass may take more, by keyword: an entity that the image's own name does not give.
        """
        raise NotImplementedError

    @classmethod
    def of_step(cls, scan: Scan, folder: Path, *, anat: Derivatives | None, settings: Any) -> Self:
        """Name the files that the step writes when it is given ``anat`` and ``settings``.

        Parameters
        ----------
        scan, folder
            The image, and its modality's folder of the person.
        anat
            Anatomical derivatives that the step is given, if any.
        settings
            Settings of the step.
        """
        return cls.of(scan, folder)

    def files(self) -> dict[str, tuple[Path, ...]]:
        """Paths by field."""
        files = {}
        for name, value in vars(self).items():
            paths = (value,) if isinstance(value, Path) else value
            if isinstance(paths, tuple) and all(isinstance(path, Path) for path in paths):
                files[name] = paths
        return files

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
