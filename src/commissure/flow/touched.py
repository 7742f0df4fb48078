"""Before a run: which products a change of option, code, input or version would touch.

Snakemake decides by the same things: a job runs again when its script, what that reaches, its
settings or its inputs change. This says it without planning a run, and from a run's own record.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from commissure.compare.causes import Cause, causes
from commissure.compare.runs import Run, flattened
from commissure.dataset.index import survey
from commissure.dataset.tree import tree_of
from commissure.engines.registry import rule_files
from commissure.errors import ConfigError
from commissure.files import as_json
from commissure.flow.checksums import checksums, files_of
from commissure.flow.code import codes_of
from commissure.flow.config_files import check_files
from commissure.flow.rule_files import Rule, read_rules
from commissure.flow.settings import Settings, read_settings, step_class
from commissure.flow.workflow_files import WORKFLOW_FILES
from commissure.installed import versions
from commissure.modalities import MODALITIES, read_from
from commissure.paths import without_paths


@dataclass(frozen=True)
class Planned:
    """The run to come, as far as it is known before it."""

    record: Mapping[str, Any]
    configuration: Mapping[str, Any]


@dataclass(frozen=True)
class Touched:
    """A cause, and the rules that compute something again because of it, in their order."""

    cause: Cause
    rules: tuple[Rule, ...]

    @property
    def products(self) -> list[str]:
        """What these rules write for a reader."""
        paths = []
        who = self.cause.person or "sub-*"
        for rule in self.rules:
            for name in sorted(rule.writes):
                step = name.removeprefix("status:")
                if step != name:
                    modality, _, kind = step.partition("_")
                    what = "" if kind == "preprocess" else "*_markers.tsv, *_qc.json, figures/"
                    paths.append(f"{who}/[ses-*/]{modality}/{what}")
                elif not name.startswith("work/"):
                    paths.append(name)
        return paths


def rules_after(rules: Sequence[Rule], first: Collection[str]) -> tuple[Rule, ...]:
    """Rules by their names and all that follow from them, in the order of a run."""
    reached: list[Rule] = []
    for rule in rules:
        if rule.name in first or any(rule.follows(other) for other in reached):
            reached.append(rule)
    return tuple(reached)


def rules_of(cause: Cause, rules: Sequence[Rule]) -> set[str]:
    """Names of the rules that a cause makes run again, before what follows from them.

    A library, the machine or a kernel makes nothing run again: what stands stays as it was.
    """
    if cause.kind == "input":
        return {rule.name for rule in rules if _takes(rule, cause)}
    if cause.kind == "option":
        return {rule.name for rule in rules if _is_given(rule, cause.what)}
    if cause.kind == "code":
        # The provenance is given the digests of all scripts.
        return {r.name for r in rules if r.script == cause.what or r.name == "provenance"}
    return set()


def _takes(rule: Rule, cause: Cause) -> bool:
    folder = cause.what.split("/")[-2] if cause.person else ""
    if cause.person:
        steps = read_from(folder) or ("func", "dwi")
        return any(f"status:{m}_preprocess" in rule.writes for m in steps)
    if cause.what.endswith(".json"):
        return any(name.endswith("_preprocess") for name in rule.writes)
    table = next((t for t in ("people", "treatments", "truth") if cause.what.startswith(t)), "")
    if cause.what.startswith("participants"):
        table = "people"
    return table in rule.tables or (not table and "tables" in rule.options)


def _is_given(rule: Rule, option: str) -> bool:
    section, _, rest = option.partition(".")
    section, field = section.split("[")[0], rest.split(".")[0].split("[")[0]
    for given in rule.options:
        modality, _, step = given.partition(":")
        if step and modality == section:
            steps = step_class(type(getattr(Settings(), modality)), step)
            if field in steps.model_fields:
                return True
        elif not step and (
            not given or option == given or option.startswith((f"{given}.", f"{given}["))
        ):
            return True
    # Who preprocesses, and which modalities, are no option of a step: they choose its rule.
    return f"status:{section}_preprocess" in rule.writes and field in ("engine", "tree")


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
        "code": codes_of(scripts),
        "environments": [],
        "versions": versions(),
        "inputs": _inputs_now(run, settings),
    }
    earlier = {**run.record, "environments": []}
    before = Planned(earlier, run.configuration)
    now = Planned(record, dict(flattened(_plain(settings.model_dump(mode="json")))))
    engines = rule_files({name: getattr(settings, name).engine for name in MODALITIES})
    rules = read_rules(scripts.parent / "rules", engines)
    found = []
    for cause in causes(before, now, pages=True):
        section = cause.what.split(".")[0]
        # Some rules run only where a study asks for them: then they have left something.
        chosen = [rule for rule in rules if rule.name == section or _has_run(rule, run.folder)]
        found.append(Touched(cause, rules_after(chosen, rules_of(cause, chosen))))
    return found


def _has_run(rule: Rule, folder: Path) -> bool:
    """Whether a run has what a rule writes; the status tables of steps count as there."""
    return any(
        name.startswith("status:") or next(folder.glob(name), None) is not None
        for name in rule.writes
    )


def _scripts() -> Path:
    return WORKFLOW_FILES / "workflow" / "scripts"


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
    asked = settings.modalities
    entries, _ = survey(
        settings.bids,
        tree_of(settings.bids, modalities=asked),
        image=settings.anat.wanted,
        modalities=asked,
        unmarked=settings.unmarked,
    )
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
            names = ", ".join(rule.name for rule in item.rules)
            lines += [f"  runs again: {names}", "  touches:"]
            lines += [f"    {path}" for path in item.products]
        else:
            lines.append(
                "  runs nothing again by itself; what is computed from now on is computed with it"
            )
    return "\n".join(lines)


def _document(items: list[Touched]) -> str:
    rows = [
        {
            **item.cause.record(),
            "rules": [rule.name for rule in item.rules],
            "products": item.products,
        }
        for item in items
    ]
    return as_json({"changes": rows}).rstrip()
