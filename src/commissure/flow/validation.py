"""Everything that would stop or weaken a run, before any compute, and what the run would do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import yaml

from commissure.dataset.index import Entry, survey
from commissure.dataset.tree import tree_of
from commissure.engines.ingress.registry import TOOLS
from commissure.engines.registry import FMRIPREP, QSIPREP, TREES
from commissure.engines.trees.tree import described, strangers_note, version_note, versions_note
from commissure.errors import CommissureError, ConfigError
from commissure.flow.check_tables import check_tables
from commissure.flow.config_files import check_files
from commissure.flow.engine_checks import check_engines
from commissure.flow.forecast import Cost, container_forecast, forecast
from commissure.flow.headers import check_headers
from commissure.flow.places import check_output
from commissure.flow.settings import Settings, read_settings
from commissure.markers.visit_choice import names_order, session_files

Level = Literal["error", "warning"]

#: What an image is that another one of the visit takes with it.
_TAKEN_TOGETHER = ("combined with", "joined to")


@dataclass(frozen=True)
class Finding:
    """Something that stops or weakens the run.

    Attributes
    ----------
    level
        ``error``: the run would stop, or the image would give nothing. ``warning``: less comes out,
        or it is flagged.
    who
        Person and visit, or the file or setting.
    modality
        Empty where it is of none.
    text
        The sentence.
    """

    level: Level
    who: str
    modality: str
    text: str


@dataclass
class Validation:
    """What was found, and the plan.

    Attributes
    ----------
    findings
        In the order of the checks.
    people
        What will be done by person and visit: ``measured``, or why not, by modality.
    engines, costs
        By modality.
    bids_validator
        What the BIDS validator said, in one sentence.
    disk
        What a person and everybody will take on the disk, and what is free, in one sentence.
    """

    findings: list[Finding] = field(default_factory=list)
    people: dict[str, dict[str, str]] = field(default_factory=dict)
    engines: dict[str, str] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    bids_validator: str = ""
    disk: str = ""

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.level == "error" for finding in self.findings)

    def add(self, level: Level, who: str, modality: str, text: str) -> None:
        """Note a finding."""
        self.findings.append(Finding(level, who, modality, text))

    def record(self) -> dict[str, Any]:
        """Everything in a form for JSON."""
        return {
            "errors": self.errors,
            "warnings": len(self.findings) - self.errors,
            "findings": [asdict(finding) for finding in self.findings],
            "plan": {
                modality: {
                    "engine": self.engines[modality],
                    "images": self.images[modality],
                    **asdict(cost),
                }
                for modality, cost in self.costs.items()
            },
            "people": self.people,
            "disk": self.disk,
            "bids_validator": self.bids_validator,
        }


def read_config(files: list[Path], bids: Path | None) -> Settings:
    """Settings of configuration files, each over the one before, as Snakemake merges them.

    Parameters
    ----------
    files
        The files; none for the defaults.
    bids
        A dataset that stands in for ``bids_dir``.

    Raises
    ------
    ConfigError
        A file is refused, or its values are.
    """
    check_files(files)
    merged: dict[str, Any] = {}
    for file in files:
        if not file.is_file():
            raise ConfigError(str(file), found="there is no such file", wanted="a configuration")
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        if not isinstance(content, dict):
            raise ConfigError(file.name, found="it holds no options", wanted="options by name")
        merged = _merged(merged, content)
    if bids is not None:
        merged["bids_dir"] = str(bids)
        merged.setdefault("output_dir", str(bids / "derivatives" / "commissure"))
    return read_settings(merged)


def validate(settings: Settings, *, bids_validator: bool = True) -> Validation:
    """Look at a study as a run would, without computing anything.

    Parameters
    ----------
    settings
        Those of the study.
    bids_validator
        Whether to let the BIDS validator look at the dataset, where it is installed.

    Returns
    -------
    Validation
        What was found, and the plan.
    """
    result = Validation()
    entries: list[Entry] = []
    _attempt(result, lambda: _check_output_folder(settings))
    if settings.bids is not None:
        entries = _indexed(settings, result)
        if bids_validator:
            _let_the_validator_look(settings.bids, result)
    voxels = _check_images(settings, entries, result)
    _check_study_tables(settings, entries, result)
    trees: dict[str, tuple[str, str]] = {}
    for modality in settings.modalities:
        section = getattr(settings, modality)
        result.engines[modality] = section.engine
        result.images[modality] = len(voxels[modality])
        result.costs[modality] = _cost(settings, modality, entries, voxels[modality])
        if section.engine == TREES:
            told = _check_tree(modality, Path(section.tree or ""), result)
            trees |= {modality: told} if told else {}
    result.disk = _disk(result, Path(settings.output_dir))
    if note := versions_note(trees):
        result.add("warning", "the trees", "", note)
    for engine in sorted(set(result.engines.values())):
        cautions = _attempt(result, partial(check_engines, settings, {engine}))
        for caution in cautions or []:
            result.add("warning", engine, "", caution)
    for tool in settings.ingress:
        if not TOOLS[tool.tool].files(tool):
            title = TOOLS[tool.tool].title
            text = f"{tool.folder} has no result of {title}."
            result.add("error", f"ingress ({title})", "", text)
    return result


def _attempt(result: Validation, check: Any) -> Any:
    """Note the sentence of an error, and go on."""
    try:
        return check()
    except CommissureError as error:
        result.add("error", error.who, "", str(error))
    except OSError as error:
        result.add("error", "the disk", "", f"{type(error).__name__}: {error.strerror}.")
    return None


def _check_output_folder(settings: Settings) -> None:
    """Refuse an output folder as the run would; one that is not there is not made."""
    output = Path(settings.output_dir)
    if output.exists():
        check_output(output, settings.bids, settings.inputs())


def _indexed(settings: Settings, result: Validation) -> list[Entry]:
    """Images of the dataset, with what is wrong about their names and places."""
    bids = settings.bids
    if bids is None or not bids.is_dir():
        result.add("error", "bids_dir", "", f"There is no folder {settings.bids_dir}.")
        return []
    asked = settings.modalities
    surveyed = _attempt(
        result,
        lambda: survey(
            bids,
            tree_of(bids, modalities=asked),
            image=settings.anat.wanted,
            modalities=asked,
            unmarked=settings.unmarked,
        ),
    )
    if surveyed is None:
        return []
    entries, odd = surveyed
    for text in odd:
        result.add("warning", "the dataset", "", text)
    for entry in entries:
        if entry.modality not in settings.modalities:
            continue
        who = " ".join(filter(None, (entry.participant_id, entry.session)))
        if not entry.used and entry.note.startswith(_TAKEN_TOGETHER):
            continue
        if not entry.used:
            level: Level = "error" if entry.refused else "warning"
            result.add(level, who, entry.modality, f"{entry.scan} is not used: {entry.note}")
        elif entry.note:
            result.add("warning", who, entry.modality, f"{entry.scan}: {entry.note}")
    return entries


def _check_images(
    settings: Settings, entries: list[Entry], result: Validation
) -> Mapping[str, list[int]]:
    """Check every image that would be used, and note by person what will be done."""
    voxels: dict[str, list[int]] = defaultdict(list)
    visits: dict[str, dict[str, str]] = defaultdict(dict)
    for entry in entries:
        if entry.modality not in settings.modalities:
            continue
        who = " ".join(filter(None, (entry.participant_id, entry.session)))
        plan = visits[who]
        if not entry.used:
            plan.setdefault(entry.modality, entry.note)
            continue
        try:
            notes, size = check_headers(
                entry.scan_in(settings.bids or Path()), entry.modality, settings
            )
        except CommissureError as error:
            result.add("error", who, entry.modality, str(error))
            plan.setdefault(entry.modality, str(error))
            continue
        voxels[entry.modality].append(size)
        plan[entry.modality] = "measured"
        for note in notes:
            result.add("warning", who, entry.modality, note)
    present = [m for m in settings.modalities if any(m in plan for plan in visits.values())]
    for plan in visits.values():
        for modality in present:
            plan.setdefault(modality, "the dataset has no image of this modality")
    for modality in settings.modalities:
        if settings.bids is not None and modality not in present:
            text = f"The dataset has no image for {modality}."
            result.add("warning", "the dataset", modality, text)
    for who in sorted(visits):
        result.people[who] = {m: visits[who][m] for m in present}
    return defaultdict(list, voxels)


def _check_study_tables(settings: Settings, entries: list[Entry], result: Validation) -> None:
    """Read the tables as planning does."""
    used = [entry for entry in entries if entry.used]
    visits = {(entry.participant_id, entry.session) for entry in used}
    files: list[Path] = []
    if settings.bids is not None and not names_order(visits, settings.sessions):
        files = list(session_files(settings.bids, visits))
    people = {entry.participant_id for entry in used}
    cautions = _attempt(result, lambda: check_tables(settings, people, visits, files))
    for caution in cautions or []:
        result.add("warning", "the tables", "", caution)


def _check_tree(modality: str, root: Path, result: Validation) -> tuple[str, str] | None:
    """What a tree lacks of the people that would be taken over; its program and version."""
    told: tuple[str, str] | None = _attempt(result, lambda: described(root))
    if told is None:
        return None
    note = version_note(*told)
    if note:
        result.add("warning", f"{modality}.from", modality, note)
    for who, plan in result.people.items():
        if plan.get(modality) == "measured" and not (root / who.split()[0]).is_dir():
            plan[modality] = f"the tree of {told[0]} has nobody of this name"
            result.add("error", who, modality, f"The tree of {told[0]} has nobody of this name.")
    there = (path.name for path in root.glob("sub-*") if path.is_dir())
    if note := strangers_note(there, (who.split()[0] for who in result.people), modality):
        result.add("warning", f"{modality}.from", modality, f"{note}.")
    return told


def _cost(
    settings: Settings, modality: str, entries: Sequence[Entry], voxels: Sequence[int]
) -> Cost:
    """What the images of a modality cost by the engine that was chosen."""
    engine = getattr(settings, modality).engine
    if engine not in (FMRIPREP, QSIPREP):
        taken_over = engine == TREES
        return forecast(modality, voxels, Path(settings.output_dir), taken_over=taken_over)
    before = settings.modalities[: settings.modalities.index(modality)]
    people = {entry.participant_id for entry in entries if entry.modality == modality}
    shared = any(getattr(settings, name).engine == engine for name in before)
    return container_forecast(len(people), getattr(settings, engine), shared=shared)


def _disk(result: Validation, output_dir: Path) -> str:
    """What people will take on the disk, and what is free."""
    people = {who.split()[0] for who, plan in result.people.items() if "measured" in plan.values()}
    if not people:
        return ""
    total = sum(cost.disk_mb for cost in result.costs.values())
    there = next(path for path in (output_dir, *output_dir.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if total * 1e6 > free:
        text = f"About {total / 1000:.1f} GB will be written, and {free / 1e9:.1f} GB are free."
        result.add("warning", "output_dir", "", text)
    return (
        f"Disk: about {total / len(people):.0f} MB a person, {total / 1000:.1f} GB in all; "
        f"{free / 1e9:.1f} GB are free."
    )


def _let_the_validator_look(bids: Path, result: Validation) -> None:
    """Ask the BIDS validator, where its executable is installed beside this interpreter."""
    beside = Path(sys.executable).parent / "bids-validator-deno"
    program = str(beside) if beside.exists() else shutil.which("bids-validator-deno")
    if program is None:
        result.bids_validator = (
            "The BIDS validator is not installed (pip install bids-validator-deno)."
        )
        return
    # Of a table it reads 1000 rows unless it is told otherwise, and then finds the other people
    # undescribed; of a large dataset the warnings alone fill hundreds of megabytes.
    command = [program, "--json", "--max-rows", "-1", "--ignoreWarnings", str(bids)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        issues = json.loads(done.stdout)["issues"]["issues"]
    except (ValueError, KeyError, TypeError):
        result.bids_validator = f"The BIDS validator ended with status {done.returncode}."
        return
    counts = Counter((issue.get("severity"), issue.get("code")) for issue in issues)
    errors = {code: n for (severity, code), n in counts.items() if severity == "error"}
    for code, count in sorted(errors.items(), key=str):
        where = next(i.get("location", "") for i in issues if i.get("code") == code)
        text = f"BIDS validator: {code} ({count}), as at {where or 'the dataset'}."
        result.add("error", "the dataset", "", text)
    result.bids_validator = f"The BIDS validator found {sum(errors.values())} errors."


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the second over those of the first, sections merged."""
    merged = dict(first)
    for key, value in second.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged
