"""``commissure predict-visits``: the network in the folds of a finished fusion."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commissure.errors import CommissureError, DatasetError
from commissure.evaluation.out_of_fold import FoldScores
from commissure.files import remove_drafts, write_json, write_table
from commissure.fusion.settings import FusionSettings
from commissure.image_sequence.crops import VisitSequence, read_sequence
from commissure.image_sequence.finished_run import FinishedRun, read_run
from commissure.image_sequence.fold_results import Learner, check_same_request
from commissure.image_sequence.judge import SEQUENCE, VISITS_ALONE, judged, visits_alone
from commissure.image_sequence.settings import SequenceSettings
from commissure.outputs import PREDICTIONS
from commissure.study.splits import CV, LEAVE_SITE_OUT, Fold
from commissure.study.study import Study
from commissure.torch_device import Device, prepared_torch, require_packages

_WHO = "predict-visits"


@dataclass(frozen=True)
class Request:
    """What is asked for, as the command takes it.

    Attributes
    ----------
    run
        Output folder of a finished run.
    out
        Folder of the results.
    bids
        The dataset; None for the one to which the run has a link.
    sessions
        Sessions whose images are looked at; None for the baseline and follow-up of the run.
    settings
        What the network sees and how it learns.
    repeats
        How many repeats of the cross-validation; 0 for all.
    leave_site_out
        Whether sites are left out, too, where the run did so.
    permutations
        How many permutations of the labels.
    checkpoint_every
        Epochs from one checkpoint to the next.
    device, threads
        Where it is computed.
    """

    run: Path
    out: Path
    bids: Path | None = None
    sessions: Sequence[str] | None = None
    settings: SequenceSettings = field(default_factory=SequenceSettings)
    repeats: int = 1
    leave_site_out: bool = True
    permutations: int = 0
    checkpoint_every: int = 10
    device: Device = "auto"
    threads: int = 1


def predict_visits(
    asked: Request, *, say: Callable[[str], object] = lambda line: None
) -> dict[str, Any]:
    """Train a network in every fold of a finished fusion, and judge it beside the fusion's models.

    The same request on the same images gives the same bits on the processor, also where it was
    killed and called again.

    Parameters
    ----------
    asked
        What is asked for.
    say
        Takes a line on how far the work is.

    Returns
    -------
    dict
        What is in ``metrics.json``.

    Raises
    ------
    ConfigError, DatasetError
        torch is not installed, the run has no fusion of two labels, no follow-up or no images, too
        few people have images, or the folder holds results of another request.
    """
    require_packages(_WHO)
    device = prepared_torch(asked.device, threads=asked.threads)
    run = read_run(asked.run, asked.bids, asked.sessions)
    study = run.study
    sequences, table = _sequences(run, asked.settings, say)
    folds, cautions = _divisions(run, sequences, asked)
    learner = Learner(
        study, sequences, asked.settings, asked.out, device, asked.checkpoint_every, say
    )
    check_same_request(learner.request(folds), asked.out)
    remove_drafts(asked.out)
    write_table(table, asked.out / "visits.tsv")
    begun = time.process_time()
    scores = learner.scores(folds)
    null = learner.null(asked.permutations)
    alone = visits_alone(study, sequences, folds)
    write_table(
        pd.concat(
            [_predictions(study, SEQUENCE, scores), _predictions(study, VISITS_ALONE, alone)]
        ),
        asked.out / "predictions.tsv",
    )
    result = {
        **judged(run, sequences, scores, null),
        "people": len(sequences),
        "visits": {str(n): int(count) for n, count in _visits(sequences)},
        "repeats": len({fold.repeat for fold in folds if fold.scheme == CV}),
        "permutations": asked.permutations,
        "cautions": [*run.cautions, *cautions, *_not_done(asked, run)],
        "settings": asked.settings.model_dump(mode="json"),
        "device": device,
        "cpu_s": round(time.process_time() - begun, 1),
    }
    write_json(result, asked.out / "metrics.json")
    return result


def sentence(result: dict[str, Any]) -> str:
    """The result in one line."""
    area = result["models"][SEQUENCE]["auc_within_site"]
    return (
        f"{result['people']} people: within site the images reach an AUC of {area['value']:.2f} "
        f"({area['ci_low']:.2f} to {area['ci_high']:.2f})"
    )


def _sequences(
    run: FinishedRun, settings: SequenceSettings, say: Callable[[str], object]
) -> tuple[dict[int, VisitSequence], pd.DataFrame]:
    """What is seen of each labelled person, and a table of who is looked at and why not."""
    study = run.study
    sequences, rows = {}, []
    for row in np.flatnonzero(study.labelled):
        who = str(study.design.participants[row])
        sessions = run.sessions.get(who, [])
        reason = ""
        if not sessions or who not in run.masks:
            reason = "no lesions were measured at these visits, or they are excluded"
        else:
            try:
                sequences[int(row)] = read_sequence(run.masks[who], sessions, run.folder, settings)
            except CommissureError as error:
                reason = str(error)
        seen = sequences.get(int(row))
        for place, session in enumerate(seen.sessions if seen else ("",)):
            rows.append(
                {
                    "participant_id": who, "session": session or None,
                    "day": seen.days[place] if seen else np.nan,
                    "lesions": "+".join(map(str, seen.lesions)) if seen else None,
                    "seen": "yes" if seen else "no", "reason": reason or None,
                }
            )  # fmt: skip
    without = [row["reason"] for row in rows if row["seen"] == "no"]
    if not sequences:
        raise DatasetError(
            str(run.folder), found=f"the images of nobody can be looked at: {without[0]}",
            wanted="people with a label and images",
        )  # fmt: skip
    if all(len(person.days) < 2 for person in sequences.values()):
        raise DatasetError(
            str(run.folder), found="nobody with a label has images of two visits",
            wanted="people with a follow-up", mend="Name more visits with --visits",
        )  # fmt: skip
    say(f"{len(sequences)} of {len(sequences) + len(without)} people with a label have images")
    return sequences, pd.DataFrame(rows)


def _divisions(
    run: FinishedRun, sequences: dict[int, VisitSequence], asked: Request
) -> tuple[list[Fold], list[str]]:
    """Divisions in which a network can be trained and somebody is tested."""
    study = run.study
    labels = study.y[sorted(sequences)]
    number = study.settings.outer_folds
    if min((labels == value).sum() for value in (0, 1)) < number:
        raise DatasetError(
            str(asked.run),
            found=f"{int((labels == 1).sum())} + {int((labels == 0).sum())} people of the two "
            "labels have images",
            wanted=f"{number} of each at least, as many as folds",
            mend="Take more people, or fewer folds (fusion.outer_folds) and run the workflow again",
        )  # fmt: skip
    kept: list[Fold] = []
    left_out: list[Fold] = []
    for fold in run.folds:
        if fold.scheme == LEAVE_SITE_OUT and not asked.leave_site_out:
            continue
        if fold.scheme == CV and asked.repeats and fold.repeat >= asked.repeats:
            continue
        train = [row for row in fold.train if study.labelled[row] and row in sequences]
        if not study.labelled[fold.test].any():
            continue
        (kept if study.kind.enough_to_train(study.y[train]) else left_out).append(fold)
    if not any(fold.scheme == CV for fold in kept):
        raise DatasetError(
            str(asked.run), found="in no fold are there enough people of each label with images",
            wanted="people to train on", mend="Take more people",
        )  # fmt: skip
    cautions = []
    if left_out:
        cautions = [
            f"{len(left_out)} divisions are not used: too few people of a label with images would "
            "be trained on."
        ]
    return kept, cautions


def _predictions(
    study: Study[FusionSettings], model: str, scores: Sequence[FoldScores]
) -> pd.DataFrame:
    """Rows as of the fusion's table."""
    positive = study.settings.label.positive
    rows = [
        {
            "participant_id": study.design.participants[row], "model": model,
            "scheme": part.fold.scheme, "repeat": part.fold.repeat, "fold": part.fold.name,
            "site": study.design.sites[row], "label": study.text[row], "predicted": positive,
            "value": np.nan, "probability": round(float(probability), 6),
        }
        for part in scores
        for row, probability in zip(part.rows, part.probabilities, strict=True)
        if np.isfinite(probability)
    ]  # fmt: skip
    return PREDICTIONS.frame(rows)


def _visits(sequences: dict[int, VisitSequence]) -> list[tuple[int, int]]:
    """How many people have how many visits."""
    numbers, counts = np.unique([len(p.days) for p in sequences.values()], return_counts=True)
    return list(zip(numbers.tolist(), counts.tolist(), strict=True))


def _not_done(asked: Request, run: FinishedRun) -> list[str]:
    """What the fusion does and this does not."""
    made = len({fold.repeat for fold in run.folds if fold.scheme == CV})
    lines = ["The settings of the network were not chosen in the folds, and nothing is calibrated."]
    if asked.repeats and asked.repeats < made:
        lines.append(f"{asked.repeats} of the {made} repeats of the cross-validation are made.")
    if not asked.permutations:
        lines.append("There is no p value: no labels were permuted (--permutations).")
    return lines
