"""Before a run: which products a change of option, code, input or version would touch.

Snakemake decides by the same things: a job runs again when its script, what that reaches, its
settings or its inputs change. This says it without planning a run, and from a run's own record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from commissure.compare.causes import Cause, causes
from commissure.compare.runs import Run, flattened
from commissure.dataset.index import survey
from commissure.dataset.tree import tree_of
from commissure.errors import ConfigError
from commissure.files import as_json
from commissure.flow.checksums import checksums, files_of
from commissure.flow.code import SOURCE, code_of
from commissure.flow.config_files import check_files
from commissure.flow.environment import versions
from commissure.flow.settings import Settings, read_settings, step_class
from commissure.modalities import MODALITIES, STEPS
from commissure.outputs import (
    CAUTIONS,
    COMPLETENESS,
    DEFINITIONS,
    DWI_QUALITY,
    EXCLUSIONS,
    FALSIFICATION,
    IMPORTANCE,
    LABELS,
    MARKERS,
    METRICS,
    PARTICIPANTS,
    PREDICTIONS,
    PROVENANCE,
    QC_FC,
    QC_FC_RECORD,
    RECOVERY,
    RECOVERY_FALSE_POSITIVES,
    RECOVERY_ORACLE,
    RECOVERY_PAIRS,
    REPORT,
    SPLITS,
    VISITS,
    VULNERABILITY,
    VULNERABILITY_RECORD,
)  # fmt: skip
from commissure.paths import without_paths

#: What each rule of the tables writes; those of one image are in ``sub-*/<modality>``.
PRODUCTS = {
    "markers": (MARKERS, DEFINITIONS, COMPLETENESS, EXCLUSIONS, VISITS, PARTICIPANTS, CAUTIONS,
                DWI_QUALITY),
    "vulnerability": (VULNERABILITY, VULNERABILITY_RECORD),
    "qc_fc": (QC_FC, QC_FC_RECORD),
    "fusion": (LABELS, SPLITS, PREDICTIONS, METRICS, FALSIFICATION, IMPORTANCE),
    "recovery": (RECOVERY, RECOVERY_PAIRS, RECOVERY_ORACLE, RECOVERY_FALSE_POSITIVES),
    "provenance": PROVENANCE,
    "report": (REPORT,),
}  # fmt: skip
# What runs after each rule of the tables.
_AFTER = {
    "markers": ("vulnerability", "qc_fc", "fusion", "provenance", "report"),
    "vulnerability": ("provenance", "report"),
    "qc_fc": ("provenance", "report"),
    "fusion": ("recovery", "provenance", "report"),
    "recovery": ("provenance", "report"),
    "provenance": ("report",),
    "report": (),
}
# Which rule reads a section of the configuration that is no modality's.
_READER = {
    "participants": "markers", "sessions": "markers", "markers": "markers", "tables": "markers",
    "ingress": "markers", "qc_fc": "qc_fc", "fusion": "fusion", "treatments": "fusion",
    "report": "report",
}  # fmt: skip
_SCRIPT = {
    "markers/table.py": "markers", "markers/ingress.py": "markers", "fusion/fuse.py": "fusion",
    "fusion/permute.py": "fusion", "report/page.py": "report",
}  # fmt: skip


@dataclass(frozen=True)
class Planned:
    """The run to come, as far as it is known before it."""

    record: Mapping[str, Any]
    configuration: Mapping[str, Any]


@dataclass(frozen=True)
class Touched:
    """A cause, and the rules that compute something again because of it, in their order."""

    cause: Cause
    rules: tuple[str, ...]

    @property
    def products(self) -> list[str]:
        """What these rules write."""
        paths = []
        for rule in self.rules:
            if rule in PRODUCTS:
                paths += [output.path for output in PRODUCTS[rule]]
            elif not rule.endswith("measure"):
                modality = rule.partition("_")[0]
                who = self.cause.person or "sub-*"
                paths.append(f"{who}/**/{modality}/ (derivatives)")
            else:
                who = self.cause.person or "sub-*"
                paths.append(
                    f"{who}/**/{rule.partition('_')[0]}/*_markers.tsv, *_qc.json, figures/"
                )
        return paths


def rules_after(rules: set[str]) -> tuple[str, ...]:
    """Rules and all that follow from them, in the order of a run."""
    reached: set[str] = set()
    unread = sorted(rules)
    while unread:
        rule = unread.pop()
        if rule in reached:
            continue
        reached.add(rule)
        modality, _, step = rule.partition("_")
        if rule in _AFTER:
            unread += _AFTER[rule]
        elif step == "preprocess":
            unread.append(f"{modality}_measure")
            if modality == "anat":
                followers = [name for name, m in MODALITIES.items() if m.needs_anatomy]
                unread += [f"{name}_{step}" for name in followers for step in STEPS]
        else:
            unread.append("markers")
    order = [f"{m}_{step}" for m in MODALITIES for step in STEPS] + list(_AFTER)
    return tuple(rule for rule in order if rule in reached)


def rules_of(cause: Cause) -> set[str]:
    """Rules that a cause makes run again, before what follows from them.

    A library, the machine or a kernel makes nothing run again: what stands stays as it was.
    """
    if cause.kind == "input":
        if not cause.person:
            return {"markers"} if cause.what.endswith((".tsv", ".csv")) else set()
        folder = cause.what.split("/")[-2]
        reaches = (folder,) if folder in MODALITIES else ("func", "dwi")
        return {f"{m}_preprocess" for m in reaches}
    if cause.kind == "option":
        section, _, rest = cause.what.partition(".")
        section = section.split("[")[0]
        if section in MODALITIES:
            return _steps_that_read(section, rest.split(".")[0].split("[")[0])
        if section == "modalities":
            return {"markers"}
        return {_READER[section]} if section in _READER else set()
    if cause.kind == "code":
        folder, _, name = cause.what.removesuffix(".py").partition("/")
        if folder in MODALITIES:
            return {f"{folder}_{'measure' if name == 'measure' else 'preprocess'}"}
        return {_SCRIPT.get(cause.what, name)} & _AFTER.keys()
    return set()


def _steps_that_read(modality: str, field: str) -> set[str]:
    section = type(getattr(Settings(), modality))
    steps = {s for s in STEPS if field in step_class(section, s).model_fields}
    return {f"{modality}_{step}" for step in steps or {STEPS[0]}}


def touched(run: Run, config: Path) -> list[Touched]:
    """What a run by another configuration, code or set of inputs would compute again.

    Parameters
    ----------
    run
        A finished run.
    config
        The configuration file of the run to come.

    Raises
    ------
    ConfigError
        The configuration cannot be read or is not valid, or the run did not record what it was
        made of.
    """
    if not run.record.get("code"):
        raise ConfigError(
            run.folder.name,
            found="its provenance/run.json has no digests of the code",
            wanted="a run by this version or a later one",
            mend="Run the study once with this version",
        )
    check_files([config])
    try:
        content = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(
            "--config", found=f"{config} cannot be read ({error})", mend="Name config.yaml"
        ) from error
    settings = read_settings(content)
    scripts = _scripts()
    record = {
        **run.record,
        "code": {str(p.relative_to(scripts)): code_of(p) for p in sorted(scripts.rglob("*.py"))},
        "environments": [],
        "versions": versions(),
        "inputs": _inputs_now(run, settings),
    }
    earlier = {**run.record, "environments": []}
    before = Planned(earlier, run.configuration)
    now = Planned(record, dict(flattened(_plain(settings.model_dump(mode="json")))))
    # A version reaches all that is computed from now on; what stands is not computed again.
    return [Touched(c, rules_after(rules_of(c))) for c in causes(before, now, pages=True)]


def _scripts() -> Path:
    return SOURCE.parents[1] / "workflow" / "scripts"


def _plain(value: Any) -> Any:
    """Settings as ``provenance/config.yaml`` has them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return without_paths(value) if isinstance(value, str) else value


def _inputs_now(run: Run, settings: Settings) -> list[dict[str, Any]]:
    """Checksums of the dataset as it is; only what has another size or time is read."""
    if settings.bids is None or not settings.bids.is_dir():
        return list(run.record.get("inputs") or [])
    entries, _ = survey(settings.bids, tree_of(settings.bids), image=settings.anat.wanted)
    names = files_of(entries)
    files = {name: settings.bids / name for name in names}
    tables = [item for item in run.record.get("inputs") or [] if "/" not in item["path"]]
    for item in tables:
        if (settings.bids / item["path"]).is_file():
            files[item["path"]] = settings.bids / item["path"]
    cache = run.folder / "work" / "checksums.tsv"
    rows = checksums(files, cache, write=False)
    return [*rows, *(item for item in tables if item["path"] not in files)]


def plan_words(folder: Path, config: Path, *, as_json: bool = False) -> str:
    """What ``commissure compare RUN --plan`` prints."""
    items = touched(Run.at(folder), config)
    if as_json:
        return _document(items)
    if not items:
        return "Nothing that this run was made of has changed: nothing would be computed again."
    lines = []
    for item in items:
        cause = item.cause
        lines.append(f"{cause.kind} {cause.what}: {cause.a} -> {cause.b}")
        if item.rules:
            lines += [f"  runs again: {', '.join(item.rules)}", "  touches:"]
            lines += [f"    {path}" for path in item.products]
        else:
            lines.append(
                "  runs nothing again by itself; what is computed from now on is computed with it"
            )
    return "\n".join(lines)


def _document(items: list[Touched]) -> str:
    rows = [
        {**item.cause.record(), "rules": list(item.rules), "products": item.products}
        for item in items
    ]
    return as_json({"changes": rows}).rstrip()
