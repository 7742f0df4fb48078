"""Healthy people from elsewhere, as a lab's table holds them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from commissure.errors import DatasetError
from commissure.markers.lab_tables import lab_table
from commissure.normative.settings import ReferenceSettings
from commissure.study.labels.vocabulary import is_control
from commissure.study.people import read_people
from commissure.study.people_values import sex_of
from commissure.study.settings import ParticipantsSettings
from commissure.study.tables import sites_of
from commissure.tables.delimited import read_cells

#: Columns of a reference table that say who somebody is, and are no marker.
_OF_PEOPLE = ("age", "sex", "site", "group")


def read_reference(
    tables: Sequence[ReferenceSettings],
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """The people and markers of reference tables.

    Returns
    -------
    rows
        Marker rows, as those of ``markers.tsv``.
    people
        ``participant_id age sex site``; identifiers and sites carry the name of their table, so
        that they meet nobody of the study.
    cautions
        Sentences for the reader; no person is named.

    Raises
    ------
    ConfigError, DatasetError
        A table cannot be read, has no ages, or a code of the sex is not declared.
    """
    all_rows, all_people, cautions = [], [], []
    for settings in tables:
        path = Path(settings.file)
        people, sentences = read_people(
            path,
            settings=ParticipantsSettings(
                id=settings.participant, age=settings.age, sex=settings.sex, site=settings.site
            ),
        )
        cautions += [f"{path.name}: {sentence}" for sentence in sentences]
        if people["age"].isna().all():
            raise DatasetError(
                f"normative.reference ({path.name})", found="nobody has an age",
                wanted="a column with the age in years",
                mend="Name it under normative.reference[].age in config.yaml",
            )  # fmt: skip
        people = _healthy(people, settings, path.name, cautions)
        rows, sentences = lab_table(_markers_only(settings))
        cautions += [f"{path.name}: {sentence}" for sentence in sentences]
        rows = rows[rows["participant_id"].isin(people["participant_id"])]
        prefix = f"{path.stem}:"
        for table in (rows, people):
            table["participant_id"] = prefix + table["participant_id"]
        people["site"] = prefix + people["site"]
        all_rows.append(rows)
        all_people.append(people)
    return (
        pd.concat(all_rows, ignore_index=True),
        pd.concat(all_people, ignore_index=True),
        cautions,
    )


def _healthy(
    people: pd.DataFrame, settings: ReferenceSettings, name: str, cautions: list[str]
) -> pd.DataFrame:
    people = people.assign(site=sites_of(people))
    codes = people["sex"].map(lambda cell: cell if pd.isna(cell) else str(cell).removesuffix(".0"))
    meant = {code: settings.sex_codes.get(code, sex_of(code)) for code in set(codes.dropna())}
    strange = sorted(code for code, sex in meant.items() if sex is None)
    if strange:
        raise DatasetError(
            f"normative.reference ({name})", found=f"sex is '{strange[0]}' in somebody",
            wanted="F and M, or a code that the configuration explains",
            mend=f'Set normative.reference[].sex_codes: {{"{strange[0]}": F ...}} in config.yaml',
        )  # fmt: skip
    people["sex"] = codes.map(meant)
    left_out = people["site"].isin(settings.leave_out_sites)
    if people["group"].notna().any():
        left_out |= ~people["group"].map(is_control)
    if left_out.any():
        cautions.append(f"{name}: {int(left_out.sum())} people are no controls and not used.")
    return people.loc[~left_out, ["participant_id", "age", "sex", "site"]].copy()


def _markers_only(settings: ReferenceSettings) -> ReferenceSettings:
    """The settings of the table without the columns that describe people."""
    if settings.layout == "tidy" or settings.markers or settings.columns:
        return settings
    header = read_cells(settings.file).header
    named = {getattr(settings, key, None) or key for key in _OF_PEOPLE}
    of_people = [name for name in header if name in named and name not in settings.exclude]
    return settings.model_copy(update={"exclude": [*settings.exclude, *of_people]})
