"""What a modality declares about its markers: meaning, exclusion rules, goals of recovery.

Each modality's ``definitions.py`` has ``DEFINITIONS``, ``PRODUCTS``, ``EXCLUSION_RULES`` and
``RECOVERY_GOALS``, made of these types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: The marker of head size that a table of the lab or another tool gives.
HEAD_SIZE = "lab_head_size"


@dataclass(frozen=True)
class Definition:
    """What a marker means: the entry of ``markers.json`` under its name.

    Attributes
    ----------
    marker
        The name, as in the column ``marker``.
    modality
        As in the column ``modality``.
    unit
        As in the column ``unit``.
    description
        One sentence, with the region's meaning.
    source
        Where the method is published.
    role
        ``marker`` is a candidate predictor; ``confound`` describes the measurement (motion, noise,
        head size) and enters only confound models, corrections and quality control.
    adjust
        ``head_size`` for volumes of a lab that are freed of head size.
    summaries
        Regions that are averages of other regions of the marker: reported, and taken by indices,
        but no candidate predictors, since the models see what they are made of.
    relative_change
        Whether its change between two visits is taken in parts of the baseline, as that of
        radiomic features is; where the baseline is 0, it is the difference.
    given_by
        ``images`` where the program measures it, ``table`` where a table of the lab gives it.
    """

    marker: str
    modality: str
    unit: str
    description: str
    source: str
    role: Literal["marker", "confound"] = "marker"
    adjust: Literal["none", "head_size"] = "none"
    given_by: Literal["images", "table"] = "images"
    summaries: tuple[str, ...] = ()
    relative_change: bool = False


@dataclass(frozen=True)
class ExclusionRule:
    """One rule by which measurements of a modality are left out of the models.

    Attributes
    ----------
    option
        The option of the section ``markers`` that holds the limit, and the rule's name in
        ``exclusions.tsv``.
    marker
        The marker that is compared with the limit.
    leaves_out
        Whether values ``above`` or ``below`` the limit are left out. The limit itself is kept.
    """

    option: str
    marker: str
    leaves_out: Literal["above", "below"]


@dataclass(frozen=True)
class RecoveryGoal:
    """How well the markers of a modality are expected to recover a known truth.

    Attributes
    ----------
    r_min
        Least correlation of recovered with true values.
    bias_percent_max
        Largest absolute bias in percent of the true mean; None where the bias is not judged.
    """

    r_min: float
    bias_percent_max: float | None
