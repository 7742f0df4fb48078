"""The scores of new people by a stored model, and whom it does not judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from commissure.errors import DatasetError
from commissure.markers.selection import measured_rows
from commissure.markers.units import check_units
from commissure.models.preparation import has_block
from commissure.study.cells import as_number
from commissure.study.design import CONFOUNDS, COVARIATES, SITE, Block, DesignColumn
from commissure.transport.applicability_domain import distance
from commissure.transport.kinds import PREDICTION_KINDS
from commissure.transport.stored_model import StoredModel
from commissure.transport.training_membership import in_training

#: What can become of a person.
SCORED, ABSTAINED, TRAINING = "scored", "abstained", "training"
_NO_PREDICTION = "the model was trained on this person (same markers): a score is no prediction"


class TakesColumns(Protocol):
    """What is stored for new people and takes the columns of a matrix."""

    @property
    def columns(self) -> tuple[DesignColumn, ...]:
        """What each column is."""

    @property
    def units(self) -> Mapping[str, str]:
        """Unit of each marker by name."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What is said of it."""

    @property
    def blocks(self) -> Sequence[Block]:
        """The blocks that it takes."""


def model_matrix(stored: TakesColumns, markers: pd.DataFrame, people: pd.DataFrame) -> np.ndarray:
    """Lay new people's markers in the columns that the model takes; NaN where there is none.

    Parameters
    ----------
    stored
        The model.
    markers
        Tidy rows of the baseline, exclusions taken out.
    people
        ``participant_id site``, sorted.

    Raises
    ------
    DatasetError
        A marker has several units or another than in training, or none that the model uses is
        there.
    """
    rows = markers[markers["participant_id"].isin(people["participant_id"])]
    check_units(rows)
    rows = measured_rows(rows)[0]
    for name, unit in rows.groupby("marker")["unit"].first().items():
        wanted = stored.units.get(str(name))
        if wanted is not None and str(unit) != wanted:
            raise DatasetError(
                f"marker {name}", found=f"its unit is {unit}",
                wanted=f"{wanted}, as in the people on whom the model was trained",
                mend="Compute the markers with the same version and settings",
            )  # fmt: skip
    wide = rows.pivot_table(index="participant_id", columns=["modality", "region", "marker"],
                            values="value", aggfunc="mean", sort=True)  # fmt: skip
    wide = wide.reindex(people["participant_id"])
    site = people["site"].to_numpy(str)
    blocks = stored.blocks
    adjusted = {number for block in blocks for number in (*block.kept, *block.removed)}
    values = np.full((len(people), len(stored.columns)), np.nan)
    for index, column in enumerate(stored.columns):
        key = (column.modality, column.region, column.marker)
        if column.modality == SITE:
            values[:, index] = site == column.marker
        elif column.modality == CONFOUNDS:
            values[:, index] = _confound(people, column.marker, needed=index in adjusted)
        elif column.modality == COVARIATES:
            values[:, index] = _covariate(people, stored, column.marker)
        elif key in wide.columns:
            values[:, index] = wide[key].to_numpy(float)
    if not any(has_block(values, block).any() for block in blocks):
        raise DatasetError(
            "markers.tsv", found="it holds none of the markers that the model uses",
            wanted=f"markers of {', '.join(block.name for block in blocks)}",
            mend="Run the workflow on the new dataset with the settings of the old one",
        )  # fmt: skip
    return values


def _confound(people: pd.DataFrame, marker: str, *, needed: bool) -> np.ndarray:
    """A confound of new people, as in training: a number, or whether it is a category."""
    name, _, level = marker.partition("=")
    if name not in people:
        if needed:
            raise DatasetError(
                "participants.tsv", found=f"there is no column '{name}'",
                wanted=f"{name}, whose part in the markers the model takes out or keeps",
                mend="Add the column to the people's table",
            )  # fmt: skip
        return np.full(len(people), np.nan)
    if not level:
        return pd.to_numeric(people[name], errors="coerce").to_numpy(float)
    text = people[name].map(lambda value: None if pd.isna(value) else str(value))
    return np.where(text.isna(), np.nan, (text == level).to_numpy(float))


def _covariate(people: pd.DataFrame, stored: TakesColumns, name: str) -> np.ndarray:
    """What the outcome was freed of, of new people: its part is added to their predictions."""
    column = stored.about["outcome"]["covariates"][name]
    if column not in people:
        raise DatasetError(
            "participants.tsv", found=f"there is no column '{column}'",
            wanted=f"{column}, without whose part the model learnt its outcome",
            mend="Add the column to the people's table",
        )  # fmt: skip
    return np.array(
        [
            np.nan if pd.isna(value) else as_number(value, str(who), column)
            for who, value in zip(people["participant_id"], people[column], strict=True)
        ]
    )


def predictions(stored: StoredModel, values: np.ndarray, people: pd.DataFrame) -> pd.DataFrame:
    """What the model says of each person, or the reason why it says nothing.

    Returns
    -------
    pandas.DataFrame
        ``participant_id site``, the columns of the kind
        (:data:`commissure.transport.kinds.PREDICTION_KINDS`), ``status reason``; ``status`` is
        ``scored``, ``abstained``, or ``training`` for a person on whom the model was trained. Who
        is not scored has no prediction.
    """
    blocks = stored.blocks
    said = stored.logits(values)
    seen = np.isfinite(said.reshape(len(said), -1)).all(axis=1)
    trained_on = in_training(values, blocks, stored.domain, stored.digests)
    distances = {
        block.name: np.where(
            has_block(values, block),
            distance(stored.domain[block.name], values[:, list(block.columns)]),
            np.nan,
        )
        for block in blocks
    }
    status, reasons = [], []
    for person in range(len(values)):
        reason = "; ".join(
            f"{name} is {distances[name][person]:.1f} from the training people, the limit is "
            f"{stored.domain[name]['limit']:.1f}"
            for name in distances
            if distances[name][person] > stored.domain[name]["limit"]
        )
        if not seen[person]:
            reason = "none of the modalities of the model was measured"
        status.append(ABSTAINED if reason else SCORED)
        if trained_on[person]:
            status[person], reason = TRAINING, _NO_PREDICTION
        reasons.append(reason or None)
    scored = np.array(status, dtype=str) == SCORED
    kind = PREDICTION_KINDS[stored.kind]
    limits = (stored.about.get("conformal") or {}).get("limits", ())
    columns = {
        name: pd.Series(column).where(scored)
        for name, column in kind.columns(stored.about, said, limits).items()
    }
    return pd.DataFrame(
        {
            "participant_id": people["participant_id"].to_numpy(str),
            "site": people["site"].to_numpy(str),
            **columns,
            "status": status,
            "reason": reasons,
        }
    )
