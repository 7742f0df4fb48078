"""A digest of the code that a job reaches, so that editing it re-runs exactly what it touches.

Snakemake re-runs a rule when its script changes, not when the library behind the script does.
"""

from __future__ import annotations

import ast
import hashlib
from functools import lru_cache
from pathlib import Path

#: Root of the package's sources.
SOURCE = Path(__file__).resolve().parents[1]
# The bridge decides when a job runs, never what it computes.
_OUTSIDE = ("commissure.flow", "commissure.cli")


@lru_cache(maxsize=256)
def _imports(path: Path) -> frozenset[str]:
    """Names of the package's modules that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(name for name in found if name.split(".")[0] == "commissure")


def _file(module: str) -> Path | None:
    path = SOURCE.joinpath(*module.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if module != "commissure" and candidate.is_file():
            return candidate
    return None


def reached(script: Path | str) -> list[Path]:
    """Source files of the package that a script reaches through its imports.

    The rooms ``flow`` and ``cli`` are left out; data files that lie beside a module that is
    reached (tables, page templates) count with it.

    Parameters
    ----------
    script
        A file of ``workflow/scripts``.

    Returns
    -------
    list of Path
        Sorted.
    """
    seen: dict[Path, None] = {}
    open_ends = [Path(script).resolve()]
    while open_ends:
        for module in _imports(open_ends.pop()):
            path = None if module.startswith(_OUTSIDE) else _file(module)
            if path is not None and path not in seen:
                seen[path] = None
                open_ends.append(path)
    rooms = {path.parent for path in seen if path.parent != SOURCE}
    beside = [
        path
        for room in rooms
        for path in room.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    ]
    return sorted({*seen, *beside})


@lru_cache(maxsize=64)
def code_of(script: Path | str) -> str:
    """Digest of everything that a script computes with: itself and what it reaches.

    Parameters
    ----------
    script
        A file of ``workflow/scripts``.

    Returns
    -------
    str
        16 hexadecimal digits; used as a parameter of the rule that runs the script.
    """
    digest = hashlib.sha256(Path(script).read_bytes())
    for path in reached(script):
        digest.update(str(path.relative_to(SOURCE)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
