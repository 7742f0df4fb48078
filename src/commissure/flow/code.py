"""A digest of the code that a job reaches, so that editing it re-runs exactly what it touches.

Snakemake re-runs a rule when its script changes, not when the library behind the script does.
What a script reaches is found by reading, not by importing: the imports of each module, the data
files beside it, and the files of ``resources/`` that it names by ``resource("folder", "file")``.
"""

from __future__ import annotations

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

from commissure.images.resources import RESOURCES

#: Root of the package's sources.
SOURCE = Path(__file__).resolve().parents[1]
# These decide when a job runs, never what it computes.
_OUTSIDE = ("commissure.flow", "commissure.cli")

# Files beside a resource that nothing is computed with.
_FOR_PEOPLE = ("README", "LICENSE")


@cache
def _nodes(path: Path, time_ns: int) -> tuple[ast.Import | ast.ImportFrom | ast.Call, ...]:
    """Imports and calls of a file as it was at a time, anywhere in it."""
    kinds = (ast.Import, ast.ImportFrom, ast.Call)
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return tuple(node for node in ast.walk(tree) if isinstance(node, kinds))


def _imports(path: Path) -> set[str]:
    """Names of the package's modules that a file imports."""
    names: set[str] = set()
    for node in _nodes(path, path.stat().st_mtime_ns):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.split(".")[0] == "commissure"}


def _file(module: str) -> Path | None:
    path = SOURCE.joinpath(*module.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if module != "commissure" and candidate.is_file():
            return candidate
    return None


def _resources(path: Path) -> set[Path]:
    """Files of ``resources/`` that a module names.

    Of a call ``resource("atlases", "schaefer2018", f"{stem}.txt")`` the words up to the first that
    is no literal count, and with them every file below that folder.
    """
    files: set[Path] = set()
    for node in _nodes(path, path.stat().st_mtime_ns):
        if not isinstance(node, ast.Call) or getattr(node.func, "id", None) != "resource":
            continue
        place = RESOURCES
        for argument in node.args:
            if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                break
            place = place / argument.value
        files.update(
            file
            for file in (place, *place.rglob("*"))
            if file.is_file() and not file.name.startswith(_FOR_PEOPLE)
        )
    return files


def reached(script: Path | str) -> list[Path]:
    """Files of the package that a script reaches: sources, data and resources.

    ``flow`` and ``cli`` are left out. Data files that lie beside a module that is reached (tables,
    page templates) count with it.

    Parameters
    ----------
    script
        A file of ``workflow/scripts``.

    Returns
    -------
    list of Path
        Sorted.
    """
    modules: set[Path] = set()
    unread = [Path(script).resolve()]
    while unread:
        for module in _imports(unread.pop()):
            path = None if module.startswith(_OUTSIDE) else _file(module)
            if path is not None and path not in modules:
                modules.add(path)
                unread.append(path)
    folders = {path.parent for path in modules if path.parent != SOURCE}
    data = {
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    named = {file for path in modules for file in _resources(path)}
    return sorted(modules | data | named)


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
    for path in sorted(reached(script), key=_place):
        _, name = _place(path)
        digest.update(name.encode())
        digest.update(_content(path, path.stat().st_mtime_ns))
    return digest.hexdigest()[:16]


def _place(path: Path) -> tuple[bool, str]:
    """Sources after resources, each by its path: the same in a checkout and in an installation."""
    source = not path.is_relative_to(RESOURCES)
    return source, str(path.relative_to(SOURCE if source else RESOURCES))


@cache
def _content(path: Path, time_ns: int) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def codes_of(scripts: Path) -> dict[str, str]:
    """Digests of all scripts of a folder by their paths below it."""
    return {str(path.relative_to(scripts)): code_of(path) for path in sorted(scripts.rglob("*.py"))}


def stored_codes(path: Path) -> dict[str, str]:
    """Digests of scripts as a main process wrote them down; none where it has not."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}
