"""Files of fitted objects that are kept: stored by skops, never by pickle.

Loading refuses any type that is not on the list of the file's kind.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from commissure import __version__
from commissure.errors import DatasetError
from commissure.files import atomic

Loaded = TypeVar("Loaded")


def type_names(*kinds: type) -> tuple[str, ...]:
    """Names of types as skops writes them."""
    return tuple(f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)


@dataclass(frozen=True)
class StoredFile:
    """One kind of stored file.

    Attributes
    ----------
    name
        Name of the file.
    things
        What it holds, in words: "a model".
    none
        How it is said that nothing is there: "there is no stored model".
    mend
        What to name instead.
    trusted
        Types that it may hold; any other is refused.
    """

    name: str
    things: str
    none: str
    mend: str
    trusted: tuple[str, ...]

    def is_at(self, path: Path) -> bool:
        """Whether a path is that of such a file, or of its folder."""
        return path.name == self.name or (path / self.name).is_file()

    def untrusted(self, content: bytes) -> list[str]:
        """Types of stored content that are not trusted."""
        return sorted(set(skops.io.get_untrusted_types(data=content)) - set(self.trusted))

    def dumped(self, content: Mapping[str, Any]) -> bytes:
        """The stored content, with the version; the same bytes for the same content."""
        return without_addresses(skops.io.dumps({**content, "version": __version__}))

    def write(self, content: bytes, folder: Path) -> None:
        """Write what :meth:`dumped` gave into a folder, in one step."""
        with atomic(folder / self.name) as draft:
            draft.write_bytes(content)

    def read(self, path: Path, built: Callable[[Mapping[str, Any]], Loaded]) -> Loaded:
        """Read a stored file.

        Parameters
        ----------
        path
            The file, or its folder.
        built
            Makes of the content what is asked for. Parts that it needs and the file lacks show as
            AttributeError, KeyError, TypeError or ValueError.

        Raises
        ------
        DatasetError
            There is no such file, it holds a type that is not trusted, or what this version of
            the package needs is not in it.
        """
        file = path / self.name if path.is_dir() else path
        if not file.is_file():
            raise DatasetError(
                str(path), found=self.none, wanted=f"a folder with {self.name}", mend=self.mend
            )
        wanted = f"{self.things} that commissure stored"
        try:
            return built(skops.io.load(file, trusted=list(self.trusted)))
        except UntrustedTypesFoundException as error:
            raise DatasetError(
                file.name, found=f"it holds types that are not trusted ({error})",
                wanted=wanted, mend="Do not use this file",
            ) from None  # fmt: skip
        except (zipfile.BadZipFile, AttributeError, KeyError, TypeError, ValueError) as error:
            raise DatasetError(
                file.name,
                found=f"it cannot be read as {self.things} by version {__version__} "
                f"({type(error).__name__})",
                wanted=wanted,
                mend=f"{self.mend}; what an older version stored is stored anew by running its "
                "study again",
            ) from None


def without_addresses(content: bytes) -> bytes:
    """The same archive with numbers in place of memory addresses and the time of day.

    Two stored copies of one model are then the same bytes.
    """
    source = zipfile.ZipFile(io.BytesIO(content))
    schema = source.read("schema.json").decode()
    names: dict[str, str] = {}

    def renamed(match: re.Match[str]) -> str:
        return f"{match[1]}{names.setdefault(match[2], str(len(names) + 1))}{match[3]}"

    schema = re.sub(r'("__id__": )(\d+)()', renamed, schema)
    schema = re.sub(r'("file": ")(\d+)(\.npy")', renamed, schema)
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as target:
        parts = {
            f"{names.get(Path(name).stem, Path(name).stem)}{Path(name).suffix}": source.read(name)
            for name in source.namelist()
            if name != "schema.json"
        }
        for name, part in [("schema.json", schema.encode()), *sorted(parts.items())]:
            target.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), part)
    return result.getvalue()
