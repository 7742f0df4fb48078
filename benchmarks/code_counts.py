"""How the code is cut: files and arrows per room, lengths of functions, imports inside functions, names.

``python benchmarks/code_counts.py [SOURCE ...]`` counts ``src/commissure`` or the folders named, side
by side. Nothing is imported: the files are parsed. A room is a folder of Python files; an arrow leads
from a file to another file of the package that it imports. A function is counted with its
docstring.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

#: Names that say how a thing relates to the speaker, and not what it is.
VAGUE = ("own", "found", "told", "there", "one", "at", "further", "its", "beside", "here")


@dataclass
class Counts:
    """What was counted in one source tree."""

    files: Counter[str] = field(default_factory=Counter)
    within: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    longest_file: tuple[int, str] = (0, "")
    lengths: list[tuple[int, str]] = field(default_factory=list)
    inner_imports: int = 0
    type_checking: int = 0
    names: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)


def counted(source: Path) -> Counts:
    """Count one tree, the folder of a package."""
    total = Counts()
    for path in sorted(source.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        name = str(path.relative_to(source))
        room = str(path.parent.relative_to(source)).replace(".", "(ground)")
        total.files[room] += path.name != "__init__.py"
        total.lines += text.count("\n")
        total.longest_file = max(total.longest_file, (text.count("\n"), name))
        total.within[room] += len(arrows(tree, source, path, room))
        count_nodes(tree, name, total)
    return total


def arrows(tree: ast.Module, source: Path, path: Path, room: str) -> set[Path]:
    """Files of the same room that a file imports."""
    targets: set[Path] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        parts = node.module.split(".")
        if parts[0] != source.name:
            continue
        modules = [parts[1:], *([*parts[1:], alias.name] for alias in node.names)]
        for module in modules:
            target = source.joinpath(*module).with_suffix(".py") if module else source
            if target.is_file() and target != path and target.parent == path.parent:
                targets.add(target)
    return targets


def count_nodes(tree: ast.Module, name: str, total: Counts) -> None:
    """Count functions, inner imports and names of one file."""
    seen: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            total.lengths.append((length(node), f"{name}:{node.name}"))
            total.inner_imports += sum(
                isinstance(inner, ast.Import | ast.ImportFrom) for inner in ast.walk(node)
            )
            words = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
            words |= {inner.arg for inner in ast.walk(node) if isinstance(inner, ast.arg)}
            for word in words & set(VAGUE):
                seen.setdefault(word, set()).add(f"{name}:{node.lineno}")
        elif isinstance(node, ast.ClassDef):
            total.types[node.name] += 1
        elif isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            total.type_checking += 1
    for word, places in seen.items():
        total.names[word] += len(places)


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from ``def`` to its end, with its docstring."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def table(trees: list[tuple[str, Counts]]) -> list[list[str]]:
    """Rows of the table, one column per tree."""
    rows: list[list[str]] = [["", *(label for label, _ in trees)]]

    def row(label: str, *cells: object) -> None:
        rows.append([label, *map(str, cells)])

    row("files", *(sum(c.files.values()) for _, c in trees))
    row("lines", *(c.lines for _, c in trees))
    row("longest file", *(f"{c.longest_file[0]} {c.longest_file[1]}" for _, c in trees))
    row("functions", *(len(c.lengths) for _, c in trees))
    row("median length", *(statistics.median(n for n, _ in c.lengths) for _, c in trees))
    row("functions over 60 lines", *(sum(n > 60 for n, _ in c.lengths) for _, c in trees))
    row("functions over 100 lines", *(sum(n > 100 for n, _ in c.lengths) for _, c in trees))
    row("longest function", *("{} {}".format(*max(c.lengths)) for _, c in trees))
    row("imports inside functions", *(c.inner_imports for _, c in trees))
    row("TYPE_CHECKING blocks", *(c.type_checking for _, c in trees))
    row(
        "types of one name",
        *(
            ", ".join(sorted(n for n, k in c.types.items() if k > 1 and not n.startswith("_"))) or 0
            for _, c in trees
        ),
    )
    for word in VAGUE:
        row(f"functions with '{word}'", *(c.names[word] for _, c in trees))
    for room in sorted({room for _, c in trees for room in c.files}):
        row(f"{room}: files / arrows", *(f"{c.files[room]} / {c.within[room]}" for _, c in trees))
    return rows


def main(arguments: list[str]) -> None:
    """Print the table of the trees named, or of this checkout."""
    sources = [Path(a) for a in arguments] or [Path(__file__).parents[1] / "src/commissure"]
    rows = table([(str(source), counted(source)) for source in sources])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


if __name__ == "__main__":
    main(sys.argv[1:])
