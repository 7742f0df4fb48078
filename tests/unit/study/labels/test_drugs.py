"""One substance has one name, and two substances never become one."""

import pytest

from commissure.phantom.cohort.treatments import MG_FOR_600_CPZ
from commissure.study.labels.drugs import _INN, drug_cautions, substance


@pytest.mark.parametrize("name", sorted(_INN))
def test_a_listed_substance_is_itself_in_any_form(name: str) -> None:
    for written in (name, name.upper(), f" {name} ", f"{name} depot", name.rstrip("e")):
        assert substance(written) == name


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Haldol", "haloperidol"), ("haloperidol decanoate", "haloperidol"),
        ("Risperidon", "risperidone"), ("rispéridone", "risperidone"), ("risperidona", "risperidone"),
        ("risperidonne", "risperidone"), ("Risperdal Consta", "risperidone"),
        ("paliperidone palmitate", "paliperidone"), ("haloperidol 5 mg", "haloperidol"),
        ("a", "a"), ("compound X", "compound x"), ("olanzapine/fluoxetine", "olanzapine/fluoxetine"),
    ],
)  # fmt: skip
def test_brands_depots_and_typing_errors_are_the_substance(written: str, expected: str) -> None:
    assert substance(written) == expected


def test_names_of_one_drug_and_names_nearly_alike_are_told() -> None:
    told = drug_cautions(["Haldol", "haloperidol", "clozapine", "newdrugx", "newdrgx"])
    assert told == [
        "The drugs haldol, haloperidol count as one: haloperidol.",
        "The drugs newdrgx and newdrugx are spelt alike and count as two.",
    ]


def test_nothing_is_told_of_the_simulated_drugs() -> None:
    assert drug_cautions(MG_FOR_600_CPZ) == []
    assert {substance(name) for name in MG_FOR_600_CPZ} == set(MG_FOR_600_CPZ)
