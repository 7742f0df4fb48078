"""What a finished run says: labels, folds and predictions of its fusion, and whose visits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commissure.dataset.index import read_entries
from commissure.errors import ConfigError, DatasetError
from commissure.evaluation.out_of_fold import FoldScores
from commissure.files import read_table
from commissure.fusion.settings import FusionSettings
from commissure.markers.selection import kept_rows, read_exclusions
from commissure.markers.visits import BASELINE, FOLLOWUP, OTHER
from commissure.names import Scan
from commissure.outputs import (
    DESCRIPTION,
    LABELS,
    LESIONS,
    METRICS,
    PARTICIPANTS,
    PREDICTIONS,
    SPLITS,
    VISITS,
)
from commissure.rows import read_markers
from commissure.settings import validated
from commissure.study.design import FAMILY, Block, Design, DesignColumn, family_numbers
from commissure.study.outcome_dates import refuse_late_visits
from commissure.study.outcomes.registry import OUTCOME_KINDS
from commissure.study.splits import Fold, folds
from commissure.study.study import Study
from commissure.study.tables import sites_of

#: Probabilities of the table of predictions have six places: nearer to 0 or 1 nothing is known.
_NEAREST = 5e-7


@dataclass(frozen=True)
class FinishedRun:
    """The fusion of a run, and where the images of its people lie.

    Attributes
    ----------
    folder
        The output folder.
    study
        People with labels, as the fusion had them; the matrix has no markers.
    folds
        Its divisions.
    predicted
        Its table of predictions.
    sessions
        For each person the sessions whose images may be looked at: declared as visits of the
        question, measured, and not excluded.
    masks
        For each person the masks of all visits, as the workflow took them.
    cautions
        Sentences for the reader.
    """

    folder: Path
    study: Study[FusionSettings]
    folds: Sequence[Fold]
    predicted: pd.DataFrame
    sessions: dict[str, list[str]]
    masks: dict[str, list[Scan]]
    cautions: tuple[str, ...] = ()

    def scores_of(self, model: str, divisions: Sequence[Fold]) -> list[FoldScores]:
        """Predictions of a model of the fusion in some of its divisions."""
        people = {name: row for row, name in enumerate(self.study.design.participants)}
        positive = self.study.settings.label.positive
        of_model = self.predicted[
            (self.predicted["model"] == model) & (self.predicted["predicted"] == positive)
        ]
        scores = []
        for fold in divisions:
            rows = fold.test[self.study.labelled[fold.test]]
            said = np.full(len(self.study.y), np.nan)
            part = of_model[
                (of_model["scheme"] == fold.scheme)
                & (of_model["repeat"].astype(int) == fold.repeat)
                & (of_model["fold"] == fold.name)
            ]
            numbers = part["probability"].astype(float).clip(_NEAREST, 1 - _NEAREST)
            said[[people[name] for name in part["participant_id"]]] = np.log(
                numbers / (1 - numbers)
            )
            scores.append(FoldScores(fold, rows, said[rows]))
        return scores


def read_run(
    folder: Path, bids: Path | None = None, sessions: Sequence[str] | None = None
) -> FinishedRun:
    """Read a finished run of lesions with its fusion.

    Parameters
    ----------
    folder
        The output folder of the run.
    bids
        The dataset; where none is named it is the one to which the run has a link.
    sessions
        Sessions whose images are looked at; without a word those that the run calls baseline and
        follow-up. Later ones may show the outcome itself.

    Raises
    ------
    DatasetError
        There is no fusion, no models were fitted, the tables contradict each other, there are no
        lesions or follow-ups, or an outcome came before a visit.
    ConfigError
        The outcome is not one of two labels, or a session is in nobody.
    """
    settings = _settings(folder)
    labels = LABELS.read(folder)
    people = read_table(folder / PARTICIPANTS.path, text=PARTICIPANTS.text)
    splits, predicted = SPLITS.read(folder), PREDICTIONS.read(folder)
    visits = _dated(VISITS.read(folder), LESIONS.read(folder))
    study = _study(labels, people, splits, settings)
    _refuse_other_labels(predicted, study)
    chosen = _chosen(visits, sessions, folder)
    cautions = _refuse_late(chosen, people, labels, settings)
    return FinishedRun(
        folder, study, tuple(folds(splits, study.design.participants, study.design.families)),
        predicted, _measured(chosen, folder), _masks(folder, bids or _linked(folder)),
        tuple(cautions),
    )  # fmt: skip


def _settings(folder: Path) -> FusionSettings:
    path = folder / METRICS.path
    if not path.is_file():
        raise DatasetError(
            str(folder), found=f"there is no {METRICS.path}",
            wanted="the output folder of a run with a fusion",
            mend="Name fusion.label and what it needs in config.yaml, and run the workflow",
        )  # fmt: skip
    metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if metrics["status"] != "fitted":
        raise DatasetError(
            str(folder), found=f"its fusion fitted no model: {metrics['reason']}",
            wanted="a fusion with folds and predictions",
        )  # fmt: skip
    settings = validated(FusionSettings, metrics["settings"], who=METRICS.path)
    if settings.outcome.kind != "binary":
        raise ConfigError(
            "fusion.outcome.kind",
            found=f"the outcome of {folder} is of the kind {settings.outcome.kind}",
            wanted="binary: the network tells two labels apart",
        )
    return settings


def _study(
    labels: pd.DataFrame, people: pd.DataFrame, splits: pd.DataFrame, settings: FusionSettings
) -> Study[FusionSettings]:
    """The people of the folds with their labels, sites and families, without markers."""
    who = np.array(sorted(splits["participant_id"].unique()), dtype=str)
    labels = labels.set_index("participant_id", drop=False)
    people = people.set_index("participant_id", drop=False)
    lacking = [name for name in who if name not in labels.index or name not in people.index]
    if lacking:
        raise DatasetError(
            lacking[0], found=f"in {SPLITS.path}, and not in {LABELS.path} or {PARTICIPANTS.path}",
            wanted="tables of one run", mend="Run the workflow again",
        )  # fmt: skip
    of_people = people.loc[who]
    values, blocks = np.zeros((len(who), 0)), {}
    columns: tuple[DesignColumn, ...] = ()
    if FAMILY in of_people and of_people[FAMILY].notna().any():
        values = family_numbers(of_people).to_numpy(float)
        columns = (DesignColumn(FAMILY, "", FAMILY),)
        blocks = {FAMILY: Block(FAMILY, (), family=0)}
    design = Design(who, sites_of(of_people).to_numpy(str), values, columns, blocks, ())
    kind = OUTCOME_KINDS[settings.outcome.kind]
    return Study(settings, design, kind.values(labels.loc[who], settings))


def _refuse_other_labels(predicted: pd.DataFrame, study: Study[FusionSettings]) -> None:
    now = dict(zip(study.design.participants, study.text, strict=True))
    sites = dict(zip(study.design.participants, study.design.sites, strict=True))
    once = predicted.drop_duplicates("participant_id")
    for row in once.itertuples():
        if (now.get(row.participant_id), sites.get(row.participant_id)) != (row.label, row.site):
            raise DatasetError(
                str(row.participant_id),
                found=f"label and site of {PREDICTIONS.path} are not those of {LABELS.path} and "
                f"{PARTICIPANTS.path}",
                wanted="tables of one run", mend="Run the workflow again",
            )  # fmt: skip


def _dated(visits: pd.DataFrame, lesions: pd.DataFrame) -> pd.DataFrame:
    """Visits with the days that lesions are told by, where no others are known."""
    key = ["participant_id", "session"]
    day = lesions.drop_duplicates(key).set_index(key)["day"].astype(float)
    named = pd.MultiIndex.from_frame(visits[key])
    told = pd.Series(day.reindex(named).to_numpy(), visits.index)
    return visits.assign(days=visits["days"].astype(float).fillna(told))


def _chosen(visits: pd.DataFrame, sessions: Sequence[str] | None, folder: Path) -> pd.DataFrame:
    """Rows of the visits that are looked at."""
    if sessions is None:
        chosen = visits[visits["visit"].isin([BASELINE, FOLLOWUP])]
        if not (chosen["visit"] == FOLLOWUP).any():
            raise DatasetError(
                str(folder), found="no visit of this run is a follow-up",
                wanted="visits after the baseline that came before the outcome",
                mend="Name them under sessions.followup in config.yaml and run the workflow, or "
                "give --visits",
            )  # fmt: skip
        return chosen
    names = [name if name.startswith("ses-") else f"ses-{name}" for name in sessions]
    unknown = [name for name in names if name not in set(visits["session"])]
    if unknown:
        raise ConfigError(
            "--visits", found=f"nobody has {unknown[0]}",
            wanted=f"some of {', '.join(sorted(set(visits['session']) - {''}))}",
        )  # fmt: skip
    return visits[visits["session"].isin(names)]


def _refuse_late(
    chosen: pd.DataFrame, people: pd.DataFrame, labels: pd.DataFrame, settings: FusionSettings
) -> list[str]:
    """As the fusion does, of every visit that is looked at after the first."""
    later = chosen.assign(visit=chosen["visit"].replace(OTHER, FOLLOWUP))
    looked = settings.model_copy(update={"visit_markers": ["baseline", "change"]})
    known = labels.set_index("participant_id").reindex(people["participant_id"]).reset_index()
    return refuse_late_visits(people, known, later, looked)


def _measured(chosen: pd.DataFrame, folder: Path) -> dict[str, list[str]]:
    """Sessions of each person that are chosen, measured and not excluded."""
    rows = kept_rows(
        read_markers(folder / "markers.tsv"), read_exclusions(folder / "exclusions.tsv")
    )
    rows = rows[rows["modality"].astype(str) == "lesion"]
    kept = set(zip(rows["participant_id"].astype(str), rows["session"].astype(str), strict=True))
    sessions: dict[str, list[str]] = {}
    for row in chosen.itertuples():
        if (row.participant_id, row.session) in kept:
            sessions.setdefault(str(row.participant_id), []).append(str(row.session))
    if not sessions:
        raise DatasetError(
            str(folder), found="no lesions were measured in the images of these visits",
            wanted="a run of the modality lesion", mend="Add lesion to modalities in config.yaml",
        )  # fmt: skip
    if all(len(names) < 2 for names in sessions.values()):
        raise DatasetError(
            str(folder), found="nobody has lesions measured at two of these visits",
            wanted="people with a follow-up",
            mend="Name more visits under sessions in config.yaml, or give --visits",
        )  # fmt: skip
    return sessions


def _linked(folder: Path) -> Path:
    """The dataset to which the run has a link."""
    path = folder / DESCRIPTION.path
    link = ""
    if path.is_file():
        described = json.loads(path.read_text(encoding="utf-8"))
        link = str(described.get("DatasetLinks", {}).get("raw", ""))
    if not link or ":" in link:
        raise ConfigError(
            str(folder), found="it does not say where its dataset lies",
            wanted="the folder with the images", mend="Give --bids",
        )  # fmt: skip
    return folder / link


def _masks(folder: Path, bids: Path) -> dict[str, list[Scan]]:
    """Masks of each person by the index of the run."""
    index = folder / "work/index.tsv"
    if not index.is_file():
        raise DatasetError(
            str(folder), found="there is no work/index.tsv", wanted="the index of the images",
            mend="Run the workflow again: it has nothing else to do",
        )  # fmt: skip
    if not bids.is_dir():
        raise DatasetError(
            str(bids), found="there is no such folder", wanted="the dataset of the run",
            mend="Give --bids",
        )  # fmt: skip
    masks: dict[str, list[Scan]] = {}
    for entry in read_entries(index):
        if entry.modality == "lesion" and entry.used:
            masks.setdefault(entry.participant_id, []).append(entry.scan_in(bids))
    return masks
