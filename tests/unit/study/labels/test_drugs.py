"""One substance has one name, and two substances never become one."""

import pytest

from commissure.errors import DatasetError
from commissure.phantom.cohort.treatments import MG_FOR_600_CPZ
from commissure.study.labels.drugs import (
    _INN,
    drug_cautions,
    refuse_doubtful_drugs,
    substance,
)


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
        ("a", "a"), ("compound X", "compound x"), ("olanzapine/fluoxetine", "olanzapine"),
        ("perphenazine/amitriptyline", "perphenazine"),
    ],
)  # fmt: skip
def test_brands_depots_and_typing_errors_are_the_substance(written: str, expected: str) -> None:
    assert substance(written) == expected


ONE_DRUG = (
    "haloperidol|haloperidol decanoate", "risperidone|Risperdal", "olanzapine|olanzapine LAI",
    "olanzapin|olanzapine", "Zyprexa Zydis|Zypadhera", "Invega Sustenna|paliperidone palmitate",
    "Abilify Maintena|aripiprazole lauroxil", "Haldol Depot|haloperidolum", "Seroquel|quetiapine XR",
    "Leponex|clozapin", "flupenthixol|flupentixol decanoate", "thiothixene|tiotixene",
    "amisulprid|Solian 400", "Risperdal Consta|Rispolept", "zuclopenthixol acetate|Clopixol depot",
    "levomepromazine|methotrimeprazine", "Symbyax|olanzapine", "Lybalvi|olanzapine/samidorphan",
    "risperdone|risperidone", "Hal dol|haloperidol", "Taxilan|Perazin", "Uzedy|Perseris",
)  # fmt: skip
TWO_DRUGS = (
    "paliperidone|risperidone", "sulpiride|amisulpride", "flupentixol|zuclopenthixol",
    "promazine|chlorpromazine", "citalopram|escitalopram", "olanzapine|clozapine",
    "fluphenazine|perphenazine", "venlafaxine|desvenlafaxine", "haloperidol|bromperidol",
    "pimozide|pimavanserin", "cariprazine|brexpiprazole", "perazine|perphenazine",
)  # fmt: skip


@pytest.mark.parametrize("pair", ONE_DRUG)
def test_two_names_of_one_drug(pair: str) -> None:
    first, second = pair.split("|")
    assert substance(first) == substance(second)


@pytest.mark.parametrize("pair", TWO_DRUGS)
def test_two_drugs_stay_two(pair: str) -> None:
    first, second = pair.split("|")
    assert substance(first) != substance(second)


def test_names_of_one_drug_are_told_and_doubtful_names_are_refused() -> None:
    told = drug_cautions(["Haldol", "haloperidol", "clozapine"])
    assert told == ["The drugs haldol, haloperidol count as one: haloperidol."]
    with pytest.raises(DatasetError, match="'newdrgx' and 'newdrugx' are spelt alike"):
        refuse_doubtful_drugs(["newdrugx", "newdrgx", "haloperidol"])
    refuse_doubtful_drugs(["a", "b", "newdrugx", "compound y", "haldol", "haloperidl"])


def test_nothing_is_told_of_the_simulated_drugs() -> None:
    assert drug_cautions(MG_FOR_600_CPZ) == []
    assert {substance(name) for name in MG_FOR_600_CPZ} == set(MG_FOR_600_CPZ)
