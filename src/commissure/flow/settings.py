"""The settings of a study: what ``config.yaml`` may say, with every default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field, field_validator

from commissure.anat.settings import AnatSettings, chosen_extraction
from commissure.compare.settings import TolerancesSettings
from commissure.dwi.settings import DwiSettings
from commissure.engines.containers.settings import FmriprepSettings, QsiprepSettings
from commissure.engines.ingress.settings import IngressSettings
from commissure.engines.registry import TREES, engines_of
from commissure.errors import ConfigError, DatasetError
from commissure.flow.config_files import check_size
from commissure.flow.places import check_path
from commissure.func.settings import FuncSettings, tedana_program
from commissure.fusion.settings import FusionSettings
from commissure.lesion.network.card import PACKAGES, read_card
from commissure.lesion.settings import LesionSettings
from commissure.markers.settings import MarkersSettings, SessionsSettings, TableSettings
from commissure.modalities import BY_DEFAULT, MODALITIES
from commissure.models.encoders.settings import ENCODER
from commissure.models.settings import EMBEDDING_TUNED, FusedName
from commissure.mrs.settings import MrsSettings
from commissure.normative.settings import NormativeSettings
from commissure.report.settings import ReportSettings
from commissure.representation.settings import RepresentationSettings
from commissure.settings import Section, validated
from commissure.study.qc_fc_settings import QcFcSettings
from commissure.study.settings import ParticipantsSettings
from commissure.subtypes.settings import SubtypesSettings
from commissure.torch_device import require_packages

#: Name of a modality: what ``modalities`` may list.
ModalityName = Literal[*MODALITIES]  # type: ignore[valid-type]


class TreatmentsSettings(Section):
    """Where the treatment history is, from which the label follows."""

    file: str | None = Field(
        default=None,
        description="Long table of trials; sourcedata/treatments.tsv of the dataset if unset.",
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Your column names by ours, where they differ: {cpz_eq_mg: dose_cpz}.",
    )


class Settings(Section):
    """Everything that a study may change."""

    version: str | None = Field(
        default=None,
        pattern=r"^\d+\.\d+(\.\w+)*$",
        description="Version of Commissure that the configuration was written for; "
        "`commissure init` writes it, and a run of another one says what to look at.",
    )
    bids_dir: str | None = Field(
        default="demo/bids",
        description="The BIDS dataset; null for a study that has only tables.",
    )
    output_dir: str = Field(
        default="demo/derivatives/commissure", description="Where all results go."
    )
    modalities: list[ModalityName] = Field(
        default=list(BY_DEFAULT),
        min_length=1,
        description="Modalities to process, where the dataset has them; lesion is there for the "
        "asking.",
    )
    batch_size: int | None = Field(
        default=None,
        ge=1,
        description="People per job; chosen by the size of their images if unset (ten at "
        "clinical resolution, a dozen in the demo), because each job spends 4 to 10 s on starting.",
    )
    participants: ParticipantsSettings = ParticipantsSettings()
    treatments: TreatmentsSettings = TreatmentsSettings()
    sessions: SessionsSettings = SessionsSettings()
    tables: list[TableSettings] = Field(
        default_factory=list, description="A lab's own tables that join the markers."
    )
    ingress: list[IngressSettings] = Field(
        default_factory=list,
        description="Output folders of other tools (FreeSurfer, LCModel ...) whose results join "
        "the markers.",
    )
    anat: AnatSettings = AnatSettings()
    func: FuncSettings = FuncSettings()
    dwi: DwiSettings = DwiSettings()
    mrs: MrsSettings = MrsSettings()
    lesion: LesionSettings = LesionSettings()
    fmriprep: FmriprepSettings = FmriprepSettings()
    qsiprep: QsiprepSettings = QsiprepSettings()
    markers: MarkersSettings = MarkersSettings()
    qc_fc: QcFcSettings = QcFcSettings()
    fusion: FusionSettings = FusionSettings()
    normative: NormativeSettings = NormativeSettings()
    subtypes: SubtypesSettings = SubtypesSettings()
    representation: RepresentationSettings = RepresentationSettings()
    report: ReportSettings = ReportSettings()
    tolerances: TolerancesSettings = TolerancesSettings()

    @field_validator("modalities")
    @classmethod
    def _each_once(cls, modalities: list[str]) -> list[str]:
        if len(set(modalities)) < len(modalities):
            raise ValueError("each modality is named once")
        return modalities

    @property
    def bids(self) -> Path | None:
        """The dataset as a path."""
        return None if self.bids_dir is None else Path(self.bids_dir)

    @property
    def unmarked(self) -> str:
        """BIDS suffix of the images in which a network marks lesions; empty without one."""
        masks = self.lesion.masks
        if masks == "given" or "lesion" not in self.modalities:
            return ""
        return read_card(masks).shape.image

    def participants_file(self) -> Path | None:
        """The table of people: the one named, or the dataset's, or None where there is none."""
        if self.participants.file:
            return Path(self.participants.file)
        return self._of_dataset("participants.tsv")

    def treatments_file(self) -> Path | None:
        """The treatment history: the one named, or the dataset's, or None where there is none."""
        if self.treatments.file:
            return Path(self.treatments.file)
        return self._of_dataset("sourcedata/treatments.tsv")

    def truth_file(self, name: str = "markers.tsv") -> Path | None:
        """True markers of a simulated cohort, or another file beside them, or None."""
        return self._of_dataset(f"sourcedata/truth/{name}")

    def _of_dataset(self, name: str) -> Path | None:
        """A file of the dataset, or None where it is not there."""
        if self.bids is None or not os.path.lexists(self.bids / name):
            return None
        if not (self.bids / name).is_file():
            raise DatasetError(
                name,
                found="it is no file, or a link to what is not there",
                wanted="a table",
                mend=f"Fetch or remove {self.bids / name}",
            )
        return self.bids / name

    def named_files(self) -> dict[str, str]:
        """Tables that the configuration names, by the key."""
        named = {
            "participants.file": self.participants.file,
            "treatments.file": self.treatments.file,
            **{f"tables[{i}].file": table.file for i, table in enumerate(self.tables)},
        }
        return {key: file for key, file in named.items() if file is not None}

    def inputs(self) -> dict[str, Path]:
        """Tables that the run reads, by the key or by what they are."""
        others = {"people": self.participants_file(), "treatments": self.treatments_file()}
        return {
            **{key: path for key, path in others.items() if path is not None},
            **{key: Path(file) for key, file in self.named_files().items()},
        }


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Check a configuration.

    Parameters
    ----------
    config
        The merged content of the YAML files and of ``--config``.

    Raises
    ------
    ConfigError
        A key is unknown (with the nearest known one), or a value is out of range; every problem
        of the configuration is named at once. A file that is named does not exist, or a path means
        another one than it seems.
    """
    check_size(config)
    settings = validated(Settings, config, who="config.yaml is not valid")
    _check_paths(settings)
    for modality in MODALITIES:
        engine, known = getattr(settings, modality).engine, engines_of(modality)
        if engine not in known:
            raise ConfigError(
                f"{modality}.engine",
                found=f"there is no engine '{engine}' for {MODALITIES[modality].title}",
                wanted=" or ".join(known),
                mend=f"Correct {modality}.engine in config.yaml",
            )
        _check_tree(modality, engine, getattr(settings, modality).tree)
    _refuse_unfitted_primary(settings.fusion)
    _refuse_absent_combat(settings.fusion)
    _refuse_absent_torch(settings.fusion)
    _refuse_absent_correlation(settings.subtypes)
    _refuse_absent_tedana(settings)
    _refuse_absent_radiomics(settings)
    _refuse_absent_network(settings)
    settings = _with_extraction_chosen(settings)
    if settings.bids_dir is None and not (settings.tables or settings.ingress):
        raise ConfigError(
            "bids_dir",
            found="neither a dataset nor a table is named",
            wanted="a BIDS dataset under bids_dir, tables, or ingress",
            mend="Set bids_dir in config.yaml",
        )
    return settings


def _check_tree(modality: str, engine: str, tree: str | None) -> None:
    """Refuse a tree that no engine reads, an engine without one, and a folder that is not there."""
    if (engine == TREES) != (tree is not None):
        raise ConfigError(
            f"{modality}.from",
            found=f"{modality}.engine is {engine}, and "
            + ("no folder is named" if tree is None else "a folder of derivatives is named"),
            wanted=f"{modality}: {{engine: {TREES}, from: FOLDER}}, or neither of the two",
            mend=f"Correct {modality} in config.yaml",
        )
    if tree is not None and not Path(tree).is_dir():
        raise ConfigError(
            f"{modality}.from",
            found=f"there is no folder {tree}",
            wanted="a path relative to the folder in which snakemake is started",
            mend=f"Correct {modality}.from in config.yaml",
        )


def _refuse_unfitted_primary(fusion: FusionSettings) -> None:
    """Refuse a declared main result that no model gives."""
    named = fusion.estimators()
    fused = [name for name in fusion.model_names() if name in (*get_args(FusedName), *named)]
    if fusion.primary not in fused and (fused or "primary" in fusion.model_fields_set):
        raise ConfigError(
            "fusion.primary",
            found=f"it is '{fusion.primary}', which fusion.models does not name",
            wanted=f"one of {fused or list(get_args(FusedName))}",
            mend="Change fusion.primary, or add it to fusion.models in config.yaml",
        )


def _refuse_absent_combat(fusion: FusionSettings) -> None:
    """Refuse the harmonisation where the package that does it was not installed."""
    if fusion.combat != "none" and find_spec("combatlearn") is None:
        raise ConfigError(
            "fusion.combat",
            found=f"it is '{fusion.combat}', and the package combatlearn is not installed",
            wanted="the extra 'combat' of this installation",
            mend='Run `make env EXTRAS="combat"`, or set fusion.combat: none in config.yaml',
        )


def _refuse_absent_torch(fusion: FusionSettings) -> None:
    """Refuse an embedding that is to be learnt where torch was not installed."""
    tuned = EMBEDDING_TUNED in fusion.model_names()
    learnt = fusion.embedding_asked and fusion.embedding.encoder is None
    if (learnt or tuned) and find_spec("torch") is None:
        otherwise = (
            f"take {EMBEDDING_TUNED} out of" if tuned else "name fusion.embedding.encoder in"
        )
        raise ConfigError(
            "fusion.models",
            found="an embedding is to be learnt in every fold, and torch is not installed",
            wanted="the extra 'deep' of this installation",
            mend=f'Run `make env EXTRAS="deep"`, or {otherwise} config.yaml',
        )


def _refuse_absent_correlation(subtypes: SubtypesSettings) -> None:
    """Refuse symptom items where the package of canonical correlation was not installed."""
    if subtypes.search and subtypes.items and find_spec("cca_zoo") is None:
        raise ConfigError(
            "subtypes.items",
            found="symptoms are named, and the package cca-zoo is not installed",
            wanted="the extra 'subtypes' of this installation",
            mend='Run `make env EXTRAS="subtypes"`, or remove subtypes.items in config.yaml',
        )


def _refuse_absent_tedana(settings: Settings) -> None:
    """Refuse components of several echoes where the program that finds them is not installed."""
    func = settings.func
    read = "func" in settings.modalities and func.engine == "builtin"
    if read and func.multi_echo == "tedana" and tedana_program() is None:
        raise ConfigError(
            "func.multi_echo",
            found="it is 'tedana', and the program tedana is not installed",
            wanted="tedana on the path, or its environment beside this one",
            mend="Run `make tedana`, or set func.multi_echo: combine in config.yaml",
        )


def _refuse_absent_radiomics(settings: Settings) -> None:
    """Refuse radiomic features where the package that computes them was not installed."""
    asked = settings.lesion.radiomics
    if "lesion" in settings.modalities and asked != "none" and find_spec("zrad") is None:
        raise ConfigError(
            "lesion.radiomics",
            found=f"it is '{asked}', and the package z-rad is not installed",
            wanted="the extra 'lesion' of this installation",
            mend='Run `make env EXTRAS="lesion"`, or set lesion.radiomics: none in config.yaml',
        )


def _refuse_absent_network(settings: Settings) -> None:
    """Refuse a network that is not there, or that nothing here could apply."""
    if not settings.unmarked:
        return
    if settings.lesion.engine == "builtin":
        otherwise = "set lesion.masks: given in config.yaml"
        require_packages("lesion.masks", PACKAGES, otherwise=otherwise)


def _with_extraction_chosen(settings: Settings) -> Settings:
    """Settings in which ``auto`` became what is installed, so that every step says and keeps it."""
    anat = settings.anat
    read = "anat" in settings.modalities and anat.engine == "builtin"
    if read and anat.brain_extraction == "deepbet" and find_spec("deepbet") is None:
        raise ConfigError(
            "anat.brain_extraction",
            found="it is 'deepbet', and the package deepbet is not installed",
            wanted="the extra 'deep' of this installation",
            mend='Run `make env EXTRAS="deep"`, or set anat.brain_extraction: auto in config.yaml',
        )
    chosen = {"brain_extraction": chosen_extraction(anat.brain_extraction)}
    return settings.model_copy(update={"anat": anat.model_copy(update=chosen)})


def _check_paths(settings: Settings) -> None:
    """Refuse paths that mean another one than they seem, and files that are not there."""
    named = settings.named_files()
    folders = {"bids_dir": settings.bids_dir, "output_dir": settings.output_dir}
    for key, path in {**folders, **named}.items():
        if path is not None:
            check_path(key, path)
    missing = {key: file for key, file in named.items() if not Path(file).is_file()}
    missing |= {
        f"ingress[{i}].{key}": path
        for i, tool in enumerate(settings.ingress)
        for key, path, there in (
            ("folder", tool.folder, Path(tool.folder).is_dir()),
            ("labels", tool.labels, tool.labels is None or Path(tool.labels).is_file()),
        )
        if path is not None and not there
    }
    encoder = settings.fusion.embedding.encoder
    if encoder and not (Path(encoder) / ENCODER).is_file():
        missing["fusion.embedding.encoder"] = f"{encoder}/{ENCODER}"
    basis = settings.mrs.basis
    if basis and "mrs" in settings.modalities and not Path(basis).exists():
        missing["mrs.basis"] = basis
    for modality in ("anat", "func", "dwi"):
        atlas = getattr(settings, modality).atlas
        for kind, file in (("image", atlas.image), ("labels", atlas.labels)):
            if file and modality in settings.modalities and not Path(file).is_file():
                missing[f"{modality}.atlas.{kind}"] = file
    if "dwi" in settings.modalities:
        missing |= {
            f"dwi.skeleton.{name}": file
            for name, file in settings.dwi.skeleton.model_dump().items()
            if file and not Path(file).is_file()
        }
    for key, file in missing.items():
        raise ConfigError(
            key,
            found=f"there is no {'file' if key in named else 'file or folder'} {file}",
            wanted="a path relative to the folder in which snakemake is started",
            mend=f"Correct {key} in config.yaml",
        )


def step_class(section: type[BaseModel], step: str) -> type[BaseModel]:
    """Settings of one step: of the classes that a modality's settings are made of, that step's.

    Parameters
    ----------
    section
        ``<Modality>Settings``, made of ``<Modality>PreprocessSettings`` and
        ``<Modality>MeasureSettings``.
    step
        ``preprocess`` or ``measure``.
    """
    name = f"{step.capitalize()}Settings"
    for base in section.__mro__:
        if base.__name__.endswith(name) and issubclass(base, BaseModel):
            return base
    return section


def json_schema() -> dict[str, Any]:
    """The JSON schema of ``config.yaml``, for editors."""
    schema = Settings.model_json_schema()
    for modality in MODALITIES:
        name = Settings.model_fields[modality].annotation.__name__  # type: ignore[union-attr]
        schema["$defs"][name]["properties"]["engine"]["enum"] = list(engines_of(modality))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
