"""What the Snakefile needs when it is parsed: checked settings and who is in which batch."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from commissure.dataset.index import Entry, read_entries
from commissure.engines.containers.program import Folders
from commissure.engines.containers.registry import PROGRAMS
from commissure.engines.ingress.registry import TOOLS
from commissure.engines.registry import ENGINES, GPU_RULES, TREES, rule_files
from commissure.engines.trees.tree import (
    described,
    strangers_note,
    version_note,
    versions_note,
    whole_tree,
)
from commissure.evaluation.permutation_parts import in_jobs, parts_of
from commissure.files import as_json
from commissure.flow.batches import Batches, write_changed
from commissure.flow.check_tables import check_tables
from commissure.flow.code import codes_of, stored_codes
from commissure.flow.command import command_of
from commissure.flow.engine_checks import check_engines
from commissure.flow.learnt import Learnt, images_of
from commissure.flow.lost import read_marks, reopen
from commissure.flow.places import check_output
from commissure.flow.refresh import refresh_index
from commissure.flow.run_lock import hold
from commissure.flow.settings import Settings, read_settings, step_class
from commissure.flow.study_identity import study_identity
from commissure.flow.versions import version_notes
from commissure.fusion.part_names import part_names
from commissure.lesion.network.card import CARD, WEIGHTS
from commissure.markers.ratings import rating_files, read_ratings
from commissure.markers.visit_choice import Visit
from commissure.modalities import MODALITIES, STEPS
from commissure.models.encoders.settings import ENCODER
from commissure.outputs import OUTPUTS, PROVENANCE, REPORTING
from commissure.study.settings import StudySettings

#: Where the digests of the scripts stand for jobs on nodes, below the output folder.
_CODES = "work/codes.json"


class Plan:
    """What the rules need to know of a study.

    Parameters
    ----------
    config
        Snakemake's merged configuration.
    main
        Whether this is the process that plans the run. Only that one looks at the dataset; a job
        on a cluster node reads the index that it left.
    runs
        Whether it will run jobs, and does not only look, as with ``-n``.

    Raises
    ------
    ConfigError, DatasetError
        The configuration is not valid, or there is no dataset that could be used.
    """

    def __init__(self, config: Mapping[str, Any], *, main: bool, runs: bool = False) -> None:
        self.main = main
        self.settings: Settings = read_settings(config)
        self.output_dir = Path(self.settings.output_dir)
        work = self.output_dir / "work"
        brief = work / "batches.json"
        entries: list[Entry] = []
        if main:
            check_output(self.output_dir, self.settings.bids, self.settings.inputs())
            for note in version_notes(self.settings.version, self.output_dir):
                _say(note)
        if runs:
            hold(self.output_dir)
        batches = None if main else Batches.read(brief)
        if main and self.settings.bids is not None:
            entries = refresh_index(
                self.settings.bids,
                work,
                batch_size=self.settings.batch_size,
                image=self.settings.anat.wanted,
                modalities=self.settings.modalities,
                unmarked=self.settings.unmarked,
                say=_say,
            )
        elif batches is None and self.settings.bids is not None:
            entries = read_entries(work / "index.tsv")
        if batches is None:
            batches = Batches.of(entries, self.settings)
        if main:
            batches.write(brief)
        people = {entry.participant_id for entry in entries}
        self.study = study_identity(work, self.settings.bids, people)
        self._at, self.people = batches, batches.in_the_study
        self._learnt = Learnt(self.output_dir, images_of(entries, self.settings.bids))
        self.page_batches = self._page_batches()
        if main:
            self._check_tables(people, {(entry.participant_id, entry.session) for entry in entries})
            self._list_tools()
            self._list_trees(people)
            self._reopen()
            self._name_leavers(people)
        if runs:
            due = {engine for engine in ENGINES if self._is_due(engine)}
            for caution in check_engines(self.settings, due):
                _say(caution)
        self._marks = read_marks(work)
        self._codes: dict[str, str] = {} if main else stored_codes(self.output_dir / _CODES)

    def _page_batches(self) -> list[str]:
        """Batches whose people get pages with the run: none beyond a number of people."""
        people, most = self._at.everybody, self.settings.report.pages_up_to
        if people <= most:
            return self.all_batches
        if self.main:
            _say(
                f"{people} people have images: no page of each is written with the run "
                f"(report.pages_up_to: {most}). `commissure report {self.output_dir} --person "
                "sub-01` writes those that are wanted"
            )
        return []

    def _check_tables(self, imaged: Collection[str], visits: Collection[Visit]) -> None:
        """Refuse tables that would stop the run hours later, and tell what is odd in them."""
        files = [Path(file) for file in self.session_files]
        for caution in check_tables(self.settings, imaged, visits, files):
            _say(caution)
        for caution in read_ratings(self.rating_files, study=self.study, people=imaged)[1]:
            _say(caution)

    @property
    def rating_files(self) -> list[str]:
        """What raters said of the scans, as inputs: nothing where nobody did, or nobody asks."""
        if self.settings.markers.ratings == "off":
            return []
        return [str(path) for path in rating_files(self.output_dir)]

    def _list_tools(self) -> None:
        """Write down what the folders of other tools hold, so that a change is noticed."""
        for path, tool in zip(self.tool_listings, self.settings.ingress, strict=True):
            _write_listing(Path(tool.folder), TOOLS[tool.tool].files(tool), Path(path))

    def _list_trees(self, people: Collection[str]) -> None:
        """Write down what the trees of derivatives hold, and say what is odd in them."""
        trees: dict[str, tuple[str, str]] = {}
        for modality in MODALITIES:
            if not self.tree_listing(modality) or modality not in self.settings.modalities:
                continue
            root = Path(self.tree_settings(modality)["tree"])
            trees[modality] = described(root)
            note = version_note(*trees[modality])
            if note:
                _say(note)
            names = whole_tree(root, modality)
            if note := strangers_note((name.split("/")[0] for name in names), people, modality):
                _say(note)
            _write_listing(root, names, Path(self.tree_listing(modality)[0]))
        if note := versions_note(trees):
            _say(note)

    def tree_listing(self, modality: str) -> list[str]:
        """The list of a tree's files as an input: nothing where the engine is another."""
        if getattr(self.settings, modality).engine != TREES:
            return []
        return [str(self.output_dir / "work" / "ingress" / f"{modality}_tree.tsv")]

    def tree_settings(self, modality: str) -> dict[str, Any]:
        """What taking over a modality's derivatives reads of the configuration."""
        section = getattr(self.settings, modality)
        anat = self.settings.anat
        return {
            "tree": str(Folders.of(section.engine, self.settings.bids, self.output_dir).tree)
            if section.engine in PROGRAMS
            else section.tree,
            "resolution_mm": self.settings.func.resolution_mm,
            "templateflow": self.settings.fmriprep.templateflow
            or os.environ.get("TEMPLATEFLOW_HOME", ""),
            "same_anatomy": anat.engine == TREES and anat.tree == section.tree,
        }

    def run_by(self, engine: str) -> list[str]:
        """Modalities of the study that an engine preprocesses."""
        chosen = [m for m in MODALITIES if m in self.settings.modalities]
        return [m for m in chosen if getattr(self.settings, m).engine == engine]

    def _is_due(self, engine: str) -> bool:
        """Whether a batch was never through an engine: a finished study needs none."""
        status = self.output_dir / "work" / "status"
        return any(
            not (status / status_table(f"{modality}_preprocess", batch)).exists()
            for modality in self.run_by(engine)
            for batch in self.batches(modality)
        )

    @property
    def tool_listings(self) -> list[str]:
        """Lists of the files of other tools' folders, as inputs."""
        work = self.output_dir / "work" / "ingress"
        return [str(work / f"{i}_files.tsv") for i in range(len(self.settings.ingress))]

    def _reopen(self) -> None:
        """Let the batches and rules run again that have lost something since, and say so."""
        tables = [
            status_table(f"{modality}_{step}", batch)
            for modality, batches in self._at.numbers.items()
            for step in STEPS
            for batch in batches
        ]
        rules = ["markers", "scan_tables", "vulnerability", "normative", "fusion", "provenance"]
        rules += ["report"]
        rules += ["recovery"] if self.truth_file else []
        rules += ["subtypes"] if self.settings.subtypes.search else []
        rules += ["qc_fc"] if self.batches("func") else []
        rules += ["lesion_tables"] if self.batches("lesion") else []
        rules += [f"subject_pages-{batch}" for batch in self.page_batches]
        rules += [f"ingress-{i}" for i in range(len(self.settings.ingress))]
        rules += [f"fusion_null-{part}" for part in self.permutation_parts]
        rules += [f"fusion_part-{part}" for part in self.fusion_parts]
        for name, loss in reopen(tables, self.output_dir, rules=rules).items():
            for items, what in (
                (loss.lost, "gone or not as written; made again"),
                (loss.interrupted, "ended for a reason of the machine; tried again"),
            ):
                more = f" and {len(items) - 1} more" if len(items) > 1 else ""
                if items:
                    _say(f"{items[0]}{more} of {name}: {what}")

    def _name_leavers(self, people: Collection[str]) -> None:
        """Say whose folders stand in the output without an image in the dataset."""
        found = sorted(path.name for path in self.output_dir.glob("sub-*"))
        left = [name for name in found if name not in people]
        if left:
            more = f" and {len(left) - 1} more" if len(left) > 1 else ""
            _say(
                f"{left[0]}{more} stand in {self.output_dir.name} without an image in the dataset; "
                "they are in no table and on no page, and their folders are kept"
            )

    def memory_mb(self, rule: str, batch: str | None, default: int, *, address_space: bool) -> int:
        """Memory that a job asks for, by earlier jobs of its rule; on a node nobody asks."""
        if not self.main:
            return default
        return self._learnt.memory_mb(rule, batch, default, address_space=address_space)

    def runtime_min(self, rule: str, batch: str | None, default: int) -> int:
        """Minutes that a job asks for, by earlier jobs of its rule."""
        return self._learnt.runtime_min(rule, batch, default) if self.main else default

    @property
    def products(self) -> list[str]:
        """Every file that a user reads, below the output folder: what the run must leave."""
        there = {
            "always": True,
            "truth": bool(self.truth_file),
            "func": bool(self.batches("func")),
            "lesion": bool(self.batches("lesion")),
            "subtypes": self.settings.subtypes.search,
        }
        return [output.path for output in OUTPUTS.values() if there.get(output.when)]

    @property
    def session_files(self) -> list[str]:
        """Tables of acquisition times, where neither settings nor names order the sessions."""
        return list(self._at.session_files)

    @property
    def repeated(self) -> list[str]:
        """Who is measured again where the tolerances of markers are asked for."""
        return list(self._at.repeated)

    def batches(self, modality: str) -> list[str]:
        """Numbers of the batches that have images of a modality, as they stand in file names."""
        return list(self._at.numbers.get(modality, ()))

    @property
    def all_batches(self) -> list[str]:
        """Numbers of the batches that have any image of the study."""
        return list(self._at.people)

    @property
    def permutation_parts(self) -> Sequence[int]:
        """Parts of the permutation test that are jobs of their own; none where one job has all."""
        parts = range(parts_of(self.settings.fusion, self.people))
        return parts if len(parts) > 1 else ()

    @property
    def fusion_parts(self) -> Sequence[str]:
        """Other parts of the fusion that are jobs of their own; none where one job has all."""
        fusion = self.settings.fusion
        return part_names(fusion) if in_jobs(fusion, self.people) else ()

    def people_in(self, batch: str) -> int:
        """How many people a batch has."""
        return self._at.people[batch]

    def reopened(self, rule: str, batch: str) -> str:
        """Mark of a batch that has lost files once; another one for each time."""
        return self.remade(status_table(rule, batch))

    def remade(self, rule: str) -> str:
        """Mark of a rule whose outputs were lost or changed once; another one for each time."""
        return str(self._marks.get(rule, ""))

    def engine_files(self, *, gpu: bool = False) -> list[str]:
        """Rule files of the engines that the study names, below ``workflow/rules/engines``.

        Parameters
        ----------
        gpu
            Whether steps that can use a graphics processor may ask for one.
        """
        files = rule_files({name: getattr(self.settings, name).engine for name in MODALITIES})
        return [*files, *(GPU_RULES[modality] for modality in self.deep)] if gpu else files

    @property
    def deep(self) -> list[str]:
        """Modalities that a network preprocesses: steps that can use a graphics processor."""
        by_us = [m for m in self.run_by("builtin") if m in GPU_RULES]
        anat, lesion = self.settings.anat, self.settings.lesion
        networks = {"anat": anat.brain_extraction == "deepbet", "lesion": lesion.masks != "given"}
        return [modality for modality in by_us if networks[modality]]

    @property
    def lesion_network(self) -> list[str]:
        """Files of the network that marks lesions, as inputs: nothing where masks are given."""
        folder = self.settings.lesion.masks
        return [] if folder == "given" else [f"{folder}/{name}" for name in (CARD, WEIGHTS)]

    @property
    def learns_embedding(self) -> bool:
        """Whether the classifier learns an embedding: it can use a graphics processor."""
        fusion = self.settings.fusion
        return fusion.embedding.encoder is None and fusion.embedding_asked

    def step_settings(self, modality: str, step: str) -> dict[str, Any]:
        """What one step of a modality reads of the configuration, and nothing else."""
        section = getattr(self.settings, modality)
        fields = step_class(type(section), step).model_fields
        return section.model_dump(mode="json", include=set(fields))

    @property
    def people_file(self) -> list[str]:
        """The table of people as an input: nothing where there is none."""
        return _listed(self.settings.participants_file())

    @property
    def treatments_file(self) -> list[str]:
        """The treatment history as an input: nothing where there is none."""
        return _listed(self.settings.treatments_file())

    @property
    def study_settings(self) -> dict[str, Any]:
        """What other questions than the classifier's read of ``fusion``: who, and which outcome."""
        return self.settings.fusion.model_dump(mode="json", include=set(StudySettings.model_fields))

    @property
    def normative_files(self) -> list[str]:
        """Reference tables and stored charts from elsewhere, as inputs."""
        normative = self.settings.normative
        charts = [] if normative.charts is None else [f"{normative.charts}/charts.skops"]
        return [*(table.file for table in normative.reference), *charts]

    @property
    def encoder_file(self) -> list[str]:
        """An encoder from elsewhere as an input of the classifier: nothing where there is none."""
        encoder = self.settings.fusion.embedding.encoder
        return [] if encoder is None else [f"{encoder}/{ENCODER}"]

    @property
    def truth_file(self) -> list[str]:
        """True markers of a simulated cohort as an input: nothing where there are none."""
        return _listed(self.settings.truth_file())

    @property
    def oracle_file(self) -> list[str]:
        """Scores of the oracle beside the true markers: nothing where there are none."""
        return _listed(self.settings.truth_file("oracle.tsv"))

    @property
    def provenance(self) -> list[str]:
        """What the rule ``provenance`` writes, below the output folder."""
        return [output.path for output in PROVENANCE]

    @property
    def reporting(self) -> list[str]:
        """What the rule that writes methods and checklists writes, below the output folder."""
        return [output.path for output in REPORTING]

    def codes(self, scripts: Path) -> dict[str, str]:
        """Digests of all scripts by their names: what a later run is compared with.

        A job on a node reads what the main process wrote down, and parses no source.
        """
        if not self._codes:
            self._codes = codes_of(scripts)
            if self.main:
                write_changed(as_json(self._codes), self.output_dir / _CODES)
        return self._codes

    def code_of(self, scripts: Path, name: str) -> str:
        """Digest of a script and of the library code that it reaches."""
        return self.codes(scripts)[name]

    def command(self, argv: Sequence[str]) -> str:
        """The snakemake command of this run with its configuration, to be typed again.

        Parameters
        ----------
        argv
            The command line of this process. Only the main process looks at it; jobs on a node
            have another one and read what the main process wrote down.
        """
        note = self.output_dir / "work" / "command.txt"
        if not self.main:
            return note.read_text(encoding="utf-8")
        command = command_of(argv)
        write_changed(command, note)
        return command


def status_table(rule: str, batch: str) -> str:
    """Path of the status table of a batch below ``work/status``."""
    return f"{rule}/batch-{batch}.tsv"


def _write_listing(folder: Path, names: Iterable[str], listing: Path) -> None:
    """Write down files with their sizes and times, if anything has changed."""
    lines = []
    for name in names:
        status = (folder / name).stat()
        lines.append(f"{name}\t{status.st_size}\t{status.st_mtime_ns}\n")
    write_changed("".join(lines), listing)


def _say(message: str) -> None:
    print(f"commissure: {message}", file=sys.stderr, flush=True)


def _listed(path: Path | None) -> list[str]:
    return [] if path is None else [str(path)]
