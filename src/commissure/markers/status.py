"""The status table of a batch: what became of each image in one step, and which files it left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from commissure.files import write_text

#: Columns of a status table.
STATUS = (
    "participant_id", "session", "modality", "scan", "step", "state", "cause", "cpu_s", "wall_s",
    "files",
)  # fmt: skip


@dataclass(frozen=True)
class Status:
    """One image in one step.

    Attributes
    ----------
    participant_id, session, modality, scan
        As in the index of the dataset; ``session`` is empty where there is none.
    step
        ``preprocess`` or ``measure``.
    state
        ``present``, ``failed``, ``interrupted`` (failed for a reason that may pass, as a full
        disk: the next run tries again), ``missing`` (what it needs is not there), ``unused`` or
        ``refused`` (something is wrong with its name, its place or its files).
    cause
        Why it is not present.
    cpu_s, wall_s
        What it took, seconds.
    files
        Sizes in bytes of the files that the step left, by path below the image's folder
        ``sub-XX[/ses-YY]/<modality>`` of the output.
    """

    participant_id: str
    session: str
    modality: str
    scan: str
    step: str
    state: str
    cause: str = ""
    cpu_s: float = 0.0
    wall_s: float = 0.0
    files: Mapping[str, int] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """Folder of the image's derivatives below the output."""
        return "/".join(filter(None, (self.participant_id, self.session, self.modality)))

    def line(self) -> str:
        """The row as it stands in the table."""
        cells = (
            self.participant_id,
            self.session or "n/a",
            self.modality,
            self.scan,
            self.step,
            self.state,
            " ".join(self.cause.split()) or "n/a",
            f"{self.cpu_s:.2f}",
            f"{self.wall_s:.2f}",
            ";".join(f"{name}:{size}" for name, size in self.files.items()) or "n/a",
        )
        return "\t".join(cells)

    @classmethod
    def of_line(cls, line: str) -> Status:
        """Read a row back."""
        row = dict(zip(STATUS, ("" if c == "n/a" else c for c in line.split("\t")), strict=True))
        named = (item.rpartition(":") for item in row["files"].split(";") if item)
        return cls(
            **{name: row[name] for name in STATUS[:7]},
            cpu_s=float(row["cpu_s"]),
            wall_s=float(row["wall_s"]),
            files={name: int(size) for name, _, size in named},
        )


def write_statuses(rows: Iterable[Status], path: Path | str) -> None:
    """Write the status table of a batch in one step."""
    write_text("\n".join(["\t".join(STATUS), *(row.line() for row in rows)]) + "\n", path)


def read_statuses(path: Path | str) -> list[Status]:
    """Read the status table of a batch.

    Raises
    ------
    ValueError
        The table is damaged: it has another heading, or a line that is cut short.
    """
    text = Path(path).read_text(encoding="utf-8")
    lines = text.split("\n")
    if tuple(lines[0].split("\t")) != STATUS or lines.pop():
        raise ValueError(f"{path} is no whole status table")
    return [Status.of_line(line) for line in lines[1:]]
