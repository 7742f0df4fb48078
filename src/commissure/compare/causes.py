"""Why two runs differ: inputs, options, code, versions, machines, threads and kernels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from commissure.compare.runs import Run
from commissure.modalities import MODALITIES, read_from

#: What reaches everything.
EVERYTHING = "everything"
#: Labels, models and what is drawn from them: what follows from ``markers.tsv``.
RESULTS = "results"
#: Options that say where things are, how much a job holds, or what a page shows.
_NO_CAUSE = ("bids_dir", "output_dir", "batch_size", "tolerances.")
NO_NUMBER = (*_NO_CAUSE, "report.")


@dataclass(frozen=True)
class Cause:
    """One thing that differs between what made two runs.

    Attributes
    ----------
    kind
        ``input``, ``option``, ``code``, ``library``, ``python``, ``machine``, ``threads``,
        ``kernel`` (of the linear algebra) or ``image`` (of a container).
    what
        Name of the file, option, script, package or setting.
    a, b
        What it is in each run, as text.
    reaches
        Modalities whose markers it may change, ``results``, or ``everything``.
    person
        Whose input it is, empty for everything else.
    """

    kind: str
    what: str
    a: str
    b: str
    reaches: tuple[str, ...]
    person: str = ""

    def may_change(self, part: str) -> bool:
        """Whether it reaches a modality, or ``results``."""
        return EVERYTHING in self.reaches or part in self.reaches

    def record(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


class Made(Protocol):
    """What made a run, or will."""

    @property
    def record(self) -> Mapping[str, Any]:
        """As ``provenance/run.json`` has it."""

    @property
    def configuration(self) -> Mapping[str, Any]:
        """Every option by its dotted name."""


def causes(a: Made, b: Made, *, pages: bool = False) -> list[Cause]:
    """What differs between what made two runs, inputs first.

    Parameters
    ----------
    a, b
        The runs. What one of them did not record is named by :func:`unrecorded`.
    pages
        Whether what changes no number counts too: the options and the code of the report.
    """
    first, second = a.record, b.record
    return [
        *_inputs(first, second),
        *_options(a, b, pages),
        *_code(first, second, pages),
        *_libraries(first, second),
        *_machines(first, second),
        *_images(first, second),
    ]


def unrecorded(a: Run, b: Run) -> list[str]:
    """What cannot be compared because a run did not write it down, in words."""
    words = {
        "inputs": "checksums of the inputs", "code": "digests of the code",
        "versions": "versions of the libraries", "environments": "machine, threads and kernels",
    }  # fmt: skip
    said = []
    for name, run in (("A", a), ("B", b)):
        if not run.record:
            said.append(f"run {name} has no provenance/run.json: it did not get that far")
            continue
        absent = [text for key, text in words.items() if not run.record.get(key)]
        if absent:
            said.append(f"run {name} did not record {', '.join(absent)}")
    return said


def of_other_people(a: Run, b: Run) -> bool:
    """Whether the runs are of different datasets: no image of the one is an image of the other.

    Two datasets may both have a ``sub-01``. Only checksums tell that these are two people.
    """
    first, second = (
        {
            item["path"]: item["sha256"]
            for item in run.record.get("inputs", [])
            if ".nii" in item["path"]
        }
        for run in (a, b)
    )
    if not first or not second:
        return False
    shared = first.keys() & second.keys()
    if not shared:
        return True
    # One image of one person may have changed; of three or more that all changed, none is theirs.
    return len(shared) > 2 and all(first[name] != second[name] for name in shared)


def _inputs(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterable[Cause]:
    if not (a.get("inputs") and b.get("inputs")):
        return
    first, second = ({i["path"]: i["sha256"] for i in run["inputs"]} for run in (a, b))
    for name in sorted(first.keys() | second.keys()):
        x, y = first.get(name, "absent"), second.get(name, "absent")
        if x != y:
            person = name.split("/")[0] if name.startswith("sub-") else ""
            yield Cause("input", name, x[:16], y[:16], _of_path(name), person)


def _of_path(name: str) -> tuple[str, ...]:
    folder = name.split("/")[-2] if "/" in name else ""
    if folder == "fmap":
        return ("func", "dwi")
    modalities = read_from(folder)
    if not modalities:
        # A sidecar at the root may apply to any image; a table of people enters with the labels.
        return (EVERYTHING,) if name.endswith(".json") else (RESULTS,)
    return (*(each for name in modalities for each in _with_followers(name)), RESULTS)


def _with_followers(modality: str) -> tuple[str, ...]:
    """A modality and those that are measured in its space."""
    if modality != "anat":
        return (modality,)
    return ("anat", *(name for name, m in MODALITIES.items() if m.needs_anatomy))


def _options(a: Made, b: Made, pages: bool) -> Iterable[Cause]:
    first, second = a.configuration, b.configuration
    if not first or not second:
        return
    absent = object()
    for name in sorted(first.keys() | second.keys()):
        x, y = first.get(name, absent), second.get(name, absent)
        if x != y and not name.startswith(_NO_CAUSE if pages else NO_NUMBER):
            words = ["not there" if value is absent else repr(value) for value in (x, y)]
            yield Cause("option", name, words[0], words[1], of_option(name))


def of_option(name: str) -> tuple[str, ...]:
    """What an option may change, by its dotted name."""
    section = name.split(".")[0].split("[")[0]
    if section in MODALITIES:
        return (*_with_followers(section), RESULTS)
    if section == "fmriprep":
        return ("anat", "func", "dwi", "mrs", RESULTS)
    return (EVERYTHING,) if section in ("modalities", "tables", "ingress") else (RESULTS,)


def _code(a: Mapping[str, Any], b: Mapping[str, Any], pages: bool) -> Iterable[Cause]:
    first, second = (run.get("code") or {} for run in (a, b))
    for name in sorted(first.keys() & second.keys()):
        if first[name] != second[name] and (pages or not name.startswith(("report/", "compare/"))):
            folder, _, step = name.partition("/")
            reaches: tuple[str, ...] = (RESULTS,)
            if folder in MODALITIES:
                measures = step.startswith("measure")
                reaches = ((folder,) if measures else _with_followers(folder)) + (RESULTS,)
            elif name in ("markers/table.py", "markers/ingress.py", "engines/fmriprep.py"):
                reaches = (EVERYTHING,)
            yield Cause("code", name, first[name], second[name], reaches)


def _libraries(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterable[Cause]:
    first, second = (versions_of(run) for run in (a, b))
    if not (first and second):
        return
    for name in sorted(first.keys() | second.keys(), key=str.casefold):
        x, y = (", ".join(sorted(v.get(name, {"not installed"}))) for v in (first, second))
        if x != y:
            yield Cause("library", name, x, y, (EVERYTHING,))
    x, y = (
        ", ".join(sorted({str(e.get("python")) for e in environments(run)}))
        or str(run.get("python"))
        for run in (a, b)
    )
    if x != y:
        yield Cause("python", "Python", x, y, (EVERYTHING,))


def environments(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The surroundings that the jobs of a run computed in."""
    return [item for item in record.get("environments") or [] if isinstance(item, Mapping)]


def versions_of(record: Mapping[str, Any]) -> dict[str, set[str]]:
    """Versions of every package over all jobs of a run: several where jobs had several."""
    surroundings = [e["versions"] for e in environments(record) if e.get("versions")]
    versions: dict[str, set[str]] = {}
    for packages in surroundings or [record.get("versions") or {}]:
        for name, version in packages.items():
            versions.setdefault(str(name), set()).add(str(version))
    return versions


_MACHINE = {
    "machine": ("cpu", "gpu", "system", "libc"),
    "threads": ("threads",),
    "kernel": ("blas",),
}


def _machines(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterable[Cause]:
    if not (environments(a) and environments(b)):
        return
    for kind, names in _MACHINE.items():
        for name in names:
            x, y = (
                "; ".join(sorted({w for e in environments(run) for w in _said(e, name)}))
                for run in (a, b)
            )
            if x != y:
                yield Cause(kind, name, x, y, (EVERYTHING,))


def _said(environment: Mapping[str, Any], name: str) -> list[str]:
    """What one job's surroundings say, one by one: not every job loads every library."""
    value, libraries = environment.get(name), environment.get("blas") or []
    if name == "blas":
        # Its threads are a cause of their own, and may be fewer than the variables ask for.
        return [_words({k: v for k, v in item.items() if k != "threads"}) for item in libraries]
    if name == "threads":
        return [_words(value), *(f"linear algebra {item.get('threads')}" for item in libraries)]
    # A job that loads no such library has no graphics processor, as records before had none.
    return [] if name == "gpu" and value in (None, "none") else [_words(value)]


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    if isinstance(value, list):
        return " and ".join(sorted({_words(item) for item in value}))
    return str(value)


def _images(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterable[Cause]:
    first, second = (run.get("images") or {} for run in (a, b))
    for name in sorted(first.keys() | second.keys()):
        x, y = (_words(images.get(name, "not used")) for images in (first, second))
        if x != y:
            yield Cause("image", name, x, y, (EVERYTHING,))
