"""One drug under its several names: brands, depots, other languages, typing errors.

Two failed trials of one substance are one failed drug. A spelling that no list knows and that is
nearly a known substance counts as that one, and the reader is told: a typing error must not make a
person resistant. Substances that are listed are never taken for one another.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

from commissure.errors import DatasetError

# Names of substances: ATC groups N05A and N06A (WHO Collaborating Centre for Drug Statistics
# Methodology), antipsychotics without a code there, and what is added to antidepressants. N05A was
# compared code by code with a published copy of the ATC; all names are among DrugBank's open ones
# (drug-named-entity-recognition 2.0.9).
_ANTIPSYCHOTICS = (
    "chlorpromazine", "levomepromazine", "promazine", "cyamemazine", "fluphenazine",
    "perphenazine", "prochlorperazine", "trifluoperazine", "thioproperazine", "periciazine",
    "thioridazine", "mesoridazine", "pipotiazine", "haloperidol", "trifluperidol", "melperone",
    "moperone", "pipamperone", "bromperidol", "benperidol", "droperidol", "fluanisone",
    "sertindole", "ziprasidone", "lurasidone", "flupentixol", "clopenthixol", "chlorprothixene",
    "thiothixene", "zuclopenthixol", "fluspirilene", "pimozide", "penfluridol", "loxapine",
    "clozapine", "olanzapine", "quetiapine", "asenapine", "clotiapine", "sulpiride", "sultopride",
    "tiapride", "remoxipride", "amisulpride", "levosulpiride", "lithium", "prothipendyl",
    "risperidone", "zotepine", "aripiprazole", "paliperidone", "iloperidone", "cariprazine",
    "brexpiprazole", "pimavanserin", "lumateperone", "blonanserin", "perospirone", "nemonapride",
    "xanomeline", "perazine", "dixyrazine", "thiopropazate", "acetophenazine", "butaperazine",
    "triflupromazine", "mosapramine", "clocapramine", "veralipride", "molindone", "oxypertine",
    "acepromazine", "chlorproethazine",
)  # fmt: skip
_ANTIDEPRESSANTS = (
    "desipramine", "imipramine", "clomipramine", "opipramol", "trimipramine", "lofepramine",
    "dibenzepin", "amitriptyline", "nortriptyline", "protriptyline", "doxepin", "dosulepin",
    "amoxapine", "amineptine", "maprotiline", "fluoxetine", "citalopram", "paroxetine",
    "sertraline", "fluvoxamine", "escitalopram", "isocarboxazid", "phenelzine",
    "tranylcypromine", "moclobemide", "selegiline", "mianserin", "trazodone", "nefazodone",
    "mirtazapine", "bupropion", "tianeptine", "venlafaxine", "milnacipran", "reboxetine",
    "duloxetine", "agomelatine", "desvenlafaxine", "vilazodone", "vortioxetine",
    "levomilnacipran", "esketamine", "ketamine", "lamotrigine", "buspirone",
)  # fmt: skip
# Trade names of single substances. Each was checked: half of them stand in DrugBank's open names
# under the same substance, the others in public lists of products (an English code set of general
# practice, depots in the United States, German lists of neuroleptics). Not found in any of them and
# kept all the same: serenase, symbyax, erzofri, valdoxan.
_BRANDS = {
    "haldol": "haloperidol", "serenase": "haloperidol", "risperdal": "risperidone",
    "serenace": "haloperidol",
    "consta": "risperidone", "perseris": "risperidone", "okedi": "risperidone",
    "zyprexa": "olanzapine", "zypadhera": "olanzapine", "invega": "paliperidone",
    "sustenna": "paliperidone", "xeplion": "paliperidone", "trevicta": "paliperidone",
    "trinza": "paliperidone", "abilify": "aripiprazole", "maintena": "aripiprazole",
    "aristada": "aripiprazole", "clozaril": "clozapine", "leponex": "clozapine",
    "seroquel": "quetiapine", "solian": "amisulpride", "dogmatil": "sulpiride",
    "geodon": "ziprasidone", "zeldox": "ziprasidone", "fluanxol": "flupentixol",
    "depixol": "flupentixol", "clopixol": "zuclopenthixol", "cisordinol": "zuclopenthixol",
    "modecate": "fluphenazine", "prolixin": "fluphenazine", "largactil": "chlorpromazine",
    "thorazine": "chlorpromazine", "latuda": "lurasidone", "reagila": "cariprazine",
    "vraylar": "cariprazine", "rexulti": "brexpiprazole", "rxulti": "brexpiprazole",
    "saphris": "asenapine", "sycrest": "asenapine", "orap": "pimozide", "fanapt": "iloperidone",
    "serdolect": "sertindole", "prozac": "fluoxetine", "zoloft": "sertraline",
    "cipramil": "citalopram", "celexa": "citalopram", "cipralex": "escitalopram",
    "lexapro": "escitalopram", "paxil": "paroxetine", "seroxat": "paroxetine",
    "efexor": "venlafaxine", "effexor": "venlafaxine", "cymbalta": "duloxetine",
    "remeron": "mirtazapine", "wellbutrin": "bupropion", "valdoxan": "agomelatine",
    "spravato": "esketamine", "brintellix": "vortioxetine", "rispolept": "risperidone",
    "uzedy": "risperidone", "rykindo": "risperidone", "erzofri": "paliperidone",
    "byannli": "paliperidone", "hafyera": "paliperidone", "lybalvi": "olanzapine",
    "symbyax": "olanzapine", "caplyta": "lumateperone", "cobenfy": "xanomeline",
    "nuplazid": "pimavanserin", "secuado": "asenapine", "asimtufii": "aripiprazole",
    "dapotum": "fluphenazine", "taxilan": "perazine", "decentan": "perphenazine",
    "ciatyl": "zuclopenthixol", "nipolept": "zotepine", "truxal": "chlorprothixene",
    "neurocil": "levomepromazine", "nozinan": "levomepromazine", "eunerpan": "melperone",
    "dipiperon": "pipamperone", "melleril": "thioridazine", "glianimon": "benperidol",
    "impromen": "bromperidol", "imap": "fluspirilene",
    # Other names of a substance, no trade names.
    "methotrimeprazine": "levomepromazine", "propericiazine": "periciazine",
    "tiotixene": "thiothixene", "flupenthixol": "flupentixol",
}  # fmt: skip
# Salts, depots and forms: words beside the name of the substance.
_FORMS = {
    "decanoate", "decanoat", "decanoato", "enanthate", "enanthat", "palmitate", "palmitat",
    "palmitato", "laurate", "lauroxil", "pamoate", "pamoat", "embonate", "embonat",
    "undecylenate", "hydrochloride", "hcl", "fumarate", "tartrate", "mesilate", "maleate",
    "depot", "depo", "lai", "long", "acting", "injection", "injectable", "microspheres",
    "monthly", "retard", "prolong", "xr", "er", "sr", "xl", "oral", "im", "iv", "po", "mg", "ug",
    "tablets", "tabs", "drops", "solution", "day", "d", "velotab", "odt", "quicklet", "acetate",
    "zydis", "acuphase", "initio", "discmelt", "samidorphan", "trospium", "and", "plus", "with",
}  # fmt: skip


def substance(drug: str) -> str:
    """The substance of a drug, whatever its brand, form, language or a small typing error.

    Of a combination the antipsychotic in it, where there is one: olanzapine with fluoxetine is no
    second antipsychotic beside olanzapine.
    """
    plain = unicodedata.normalize("NFKD", drug.casefold())
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    words = [word for word in re.findall(r"[a-z]+", plain) if word not in _FORMS]
    known = {name for word in words if (name := _known(word))}
    if len(known) == 1 and len(words) <= 2:
        return known.pop()
    antipsychotics = known & set(_ANTIPSYCHOTICS)
    if len(antipsychotics) == 1 and len(known) == len(words):
        return antipsychotics.pop()
    stem = _stem("".join(words))
    if stem in _STEMS:
        return _STEMS[stem]
    near = difflib.get_close_matches(_stem(" ".join(words)), _STEMS, n=1, cutoff=0.88)
    return _STEMS[near[0]] if near else _BRANDS.get("".join(words), " ".join(plain.split()))


def refuse_doubtful_drugs(drugs: Iterable[str]) -> None:
    """Refuse two names that no list knows and that are nearly one: which is meant decides a label.

    Raises
    ------
    DatasetError
        Both names are told.
    """
    unknown = sorted(name for name in {substance(drug) for drug in drugs} if name not in _INN)
    for number, name in enumerate(unknown):
        near = difflib.get_close_matches(name, unknown[number + 1 :], n=1, cutoff=0.85)
        if near and len(name) > 5:
            raise DatasetError(
                "treatments.tsv",
                found=f"the drugs '{name}' and '{near[0]}' are spelt alike, and no list has them",
                wanted="one spelling of each drug",
                mend=f"Write '{name}' for both in treatments.tsv if they are one drug, else their "
                "international names",
            )


def drug_cautions(drugs: Iterable[str]) -> list[str]:
    """Sentences on drugs of several names."""
    names: dict[str, set[str]] = {}
    for drug in drugs:
        names.setdefault(substance(drug), set()).add(" ".join(drug.split()).casefold())
    return [
        f"The drugs {', '.join(sorted(spellings))} count as one: {name}."
        for name, spellings in sorted(names.items())
        if spellings != {name}
    ]


def _known(word: str) -> str:
    """The substance that a word names, or an empty text."""
    return _BRANDS.get(word) or _STEMS.get(_stem(word), "")


def _stem(name: str) -> str:
    """A name without the vowels at its end, in which languages differ: risperidon, -e, -a."""
    return re.sub(r"[aeo]+$", "", name)


_INN = frozenset(_ANTIPSYCHOTICS + _ANTIDEPRESSANTS)
_STEMS = {_stem(name): name for name in sorted(_INN)}
