"""What the rules of the workflow read and write, taken from their own files.

Snakemake knows it only once a study is planned. Before that the words of the rule files say it:
``out("markers.tsv")``, ``status("anat_measure")``, ``settings.fusion``, ``code("fusion/fuse.py")``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from commissure.modalities import MODALITIES, STEPS
from commissure.outputs import PROVENANCE, REPORTING

#: Rules that run only where they are asked for.
_ON_DEMAND = ("representation.smk", "tolerances.smk")


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes
    ----------
    name
        Its name.
    reads, writes
        Files below the output folder, ``*`` for a wildcard; ``status:anat_measure`` stands for what
        a step leaves of each image.
    options
        Sections of the configuration that it is given, as ``fusion.vulnerability``; ``""`` for all.
    tables
        What it reads beside the output folder: ``people``, ``treatments``, ``truth``.
    script
        Whose digest is its parameter.
    """

    name: str
    reads: frozenset[str]
    writes: frozenset[str]
    options: frozenset[str]
    tables: frozenset[str]
    script: str

    def follows(self, other: Rule) -> bool:
        """Whether it reads what another rule writes."""
        return any(
            fnmatch(read, written) or fnmatch(written, read)
            for read in self.reads
            for written in other.writes
        )


def read_rules(folder: Path, engines: Iterable[str]) -> list[Rule]:
    """The rules of a run, in the order in which one follows from another.

    Parameters
    ----------
    folder
        ``workflow/rules``.
    engines
        Rule files of the engines that the study names.
    """
    files = [folder / "engines" / name for name in engines]
    files += [path for path in sorted(folder.glob("*.smk")) if path.name not in _ON_DEMAND]
    rules = []
    for path in files:
        text = path.read_text(encoding="utf-8")
        rules += [_rule(part) for part in re.split(r"^rule ", text, flags=re.M)[1:]]
    ordered: list[Rule] = []
    while rules:
        free = [r for r in rules if not any(r.follows(o) for o in rules if o is not r)]
        ordered += free or rules
        rules = [rule for rule in rules if rule not in ordered]
    return ordered


def _rule(text: str) -> Rule:
    inputs = text.partition("input:")[2].partition("output:")[0]
    outputs = text.partition("output:")[2].partition("log:")[0]
    params = text.partition("params:")[2]
    script = re.search(r'code=code\("([^"]+)"\)', text)
    options = set(re.findall(r"settings\.([a-z_]+(?:\.[a-z_]+)*)", inputs + params))
    options = {re.sub(r"\.?(model_dump|inputs)$", "", name) for name in options}
    steps = re.findall(r'step_settings\("(\w+)", "(\w+)"\)', params)
    options |= {f"{modality}:{step}" for modality, step in steps}
    return Rule(
        text.partition(":")[0],
        frozenset(_files(inputs)),
        frozenset(_files(outputs)),
        frozenset(options - {"bids_dir", "output_dir", "modalities", "step_settings"}),
        frozenset(re.findall(r"plan\.(people|treatments|truth|normative)_files?", inputs)),
        script[1] if script else "",
    )


def _files(text: str) -> set[str]:
    found = set()
    for door, name in re.findall(r'\b(out|work|status)\(f?"([^"]+)"\)', text):
        name = re.sub(r"\{[^}]*\}", "*", name)
        prefix = {"out": "", "work": "work/", "status": "status:"}[door]
        found.add(prefix + name)
    for name, outputs in (("plan.provenance", PROVENANCE), ("plan.reporting", REPORTING)):
        if name in text:
            found |= {output.path for output in outputs}
    if re.search(r"\banatomy\b", text):
        found.add("status:anat_preprocess")
    for modality, step in re.findall(r'statuses\("(\w+)", "(\w+)"\)', text):
        found.add(f"status:{modality}_{step}")
    if "all_statuses()" in text or "batch_statuses" in text:
        found |= {f"status:{m}_{step}" for m in MODALITIES for step in STEPS}
    return found
