"""Images of programs in containers, as ``envs/engines.yaml`` pins them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

_PACKAGE = Path(__file__).resolve().parents[2]

#: At a checkout's root, inside the package in an installation.
FILE = next(
    (root / "envs/engines.yaml" for root in (_PACKAGE, _PACKAGE.parents[1])
     if (root / "envs/engines.yaml").is_file()),
    _PACKAGE / "envs/engines.yaml",
)  # fmt: skip


@dataclass(frozen=True)
class Pin:
    """An image that was chosen.

    Attributes
    ----------
    image, tag
        Name without and with its version.
    digest
        ``sha256:...``; None where it is not known.
    """

    image: str
    tag: str
    digest: str | None

    @property
    def reference(self) -> str:
        """Image and tag, as ``docker pull`` takes them."""
        return f"{self.image}:{self.tag}"


@lru_cache(maxsize=8)
def pinned(program: str) -> Pin:
    """The image of a program.

    Parameters
    ----------
    program
        Name of its engine.
    """
    return Pin(**yaml.safe_load(FILE.read_text(encoding="utf-8"))[program])
