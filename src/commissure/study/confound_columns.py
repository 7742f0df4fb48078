"""Which columns of the matrix hold the confounds that settings name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from commissure.errors import ConfigError
from commissure.study.settings import StudySettings

if TYPE_CHECKING:
    from commissure.study.design import Block, DesignColumn

#: The word for all confounds of a modality that are motion, and what their names hold.
MOTION, _OF_MOTION = "motion", ("fd", "motion", "displacement")


def with_confounds(
    blocks: Mapping[str, Block],
    columns: Sequence[DesignColumn],
    confounds: Sequence[int],
    settings: StudySettings,
) -> dict[str, Block]:
    """The blocks of modalities with the confounds that ComBat keeps and that are taken out.

    Parameters
    ----------
    blocks
        Blocks of the modalities.
    columns
        What each column of the matrix is.
    confounds
        Numbers of the columns of confounds.
    settings
        Name the confounds under ``combat_covariates`` and ``remove_confounds``.

    Raises
    ------
    ConfigError
        A name is no confound of the study.
    """
    if settings.combat == "none" and settings.combat_covariates:
        raise ConfigError(
            "fusion.combat_covariates",
            found=f"it names {settings.combat_covariates[0]}, and fusion.combat is none",
            wanted="combat: in_fold, whose covariates these are",
            mend="Set fusion.combat in config.yaml, or remove fusion.combat_covariates",
        )
    return {
        name: replace(
            block,
            kept=_numbers(settings.combat_covariates, "combat_covariates", name, columns, confounds)
            if block.sites
            else (),
            removed=_numbers(
                settings.remove_confounds, "remove_confounds", name, columns, confounds
            ),
        )
        for name, block in blocks.items()
    }


def is_motion(column: DesignColumn) -> bool:
    """Whether a confound says how much somebody moved."""
    return any(part in column.marker for part in _OF_MOTION)


def _numbers(
    names: Sequence[str],
    key: str,
    modality: str,
    columns: Sequence[DesignColumn],
    confounds: Sequence[int],
) -> tuple[int, ...]:
    numbers: list[int] = []
    for name in names:
        if name == MOTION:
            numbers += [
                number
                for number in confounds
                if columns[number].modality == modality and is_motion(columns[number])
            ]
            continue
        same = [n for n in confounds if columns[n].marker.split("=")[0] == name]
        if not same:
            known = sorted({columns[number].marker.split("=")[0] for number in confounds})
            raise ConfigError(
                f"fusion.{key}",
                found=f"'{name}' is no confound of this study",
                wanted=f"some of {[*known, MOTION]}",
                mend=f"Correct fusion.{key} in config.yaml, or add it to fusion.confounds",
            )
        numbers += same
    return tuple(dict.fromkeys(numbers))
