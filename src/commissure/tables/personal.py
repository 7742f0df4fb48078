"""Columns that may tell who a person is: they are neither used, nor copied, nor printed.

By name in English, German, French and Spanish, and by content. What a column of free text says
cannot be noticed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence

from commissure.tables.delimited import Cells, plain_numbers

# Ends of a name of a column, in words; numbers and the words of _TAIL may follow.
_ENDS = (
    # names
    "first name", "last name", "surname", "forename", "given name", "family name", "full name",
    "maiden name", "middle name", "patient name", "subject name", "participant name",
    "person name", "patients name", "vorname", "nachname", "familienname", "geburtsname",
    "patientenname", "prenom", "nom de famille", "nom patient", "apellido", "apellidos",
    "nombre completo", "initials", "initialen", "patientname", "firstname", "lastname", "fullname",
    # birth
    "date of birth", "birth date", "birthdate", "birth day", "birthday", "dob",
    "geburtsdatum", "geburtstag", "geb datum", "gebdatum", "geb dat", "gebdat",
    "date de naissance", "date naissance", "fecha de nacimiento", "fecha nacimiento",
    # where to find the person
    "address", "postal address", "adresse", "anschrift", "strasse", "wohnort", "hausnummer",
    "direccion", "domicilio", "zip code", "zipcode", "postcode", "postal code", "plz",
    "postleitzahl", "code postal", "codigo postal", "phone", "telephone", "phone number",
    "cell phone", "fax", "telefon", "telefonnummer", "handy", "handynummer", "telefono",
    "email", "e mail", "courriel", "correo electronico", "emergency contact", "next of kin",
    # numbers of records and insurances
    "mrn", "medical record", "record number", "hospital number", "patient id", "patientid",
    "other patient ids", "nhs number", "case number", "fallnummer", "patientennummer",
    "patienten id", "patientenid", "patient number", "krankenaktennummer", "aktennummer",
    "numero de dossier", "numero dossier", "historia clinica", "ssn", "social security",
    "insurance id", "insurance number", "health insurance number", "medicare number",
    "versichertennummer", "versicherungsnummer", "krankenversicherungsnummer", "kvnr",
    "sozialversicherungsnummer", "svnr",
    "ahv nummer", "securite sociale", "seguridad social", "passport", "passport number",
    "reisepass", "pasaporte", "passeport", "personnummer", "cpr number", "national id", "curp",
    "aadhaar",
)  # fmt: skip
# Names of which the whole column name must consist, a word for the person before it aside.
_WHOLE = (
    "name", "names", "nom", "nombre", "nombres", "street", "rue", "calle", "tel", "mobile",
    "mobil", "movil", "mail", "correo", "birth", "naissance", "nacimiento", "geboren", "geb",
    "ipp", "nir", "dni", "nie", "nif", "nhc", "record", "zip", "ahv",
)  # fmt: skip
_TAIL = {"number", "nr", "no", "num", "nummer", "numero", "id", "ids", "address", "text"}
_HEAD = {"patient", "patients", "subject", "participant", "person", "pt", "pat", "client", "home"}

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[a-zA-Z]{2,}")
_DAY = re.compile(
    r"((19|20)\d\d-\d{1,2}-\d{1,2}|(19|20)\d\d/\d{1,2}/\d{1,2}|\d{1,2}[./-]\d{1,2}[./-](19|20)\d\d"
    r"|\d{1,2}\.\d{1,2}\.\d\d)([T ]\d\d:\d\d(:\d\d)?(\.\d+)?)?|(19|20)\d\d(0[1-9]|1[0-2])"
    r"(0[1-9]|[12]\d|3[01])"
)
_PHONE = re.compile(r"\+\d{1,3}[\d ()/.-]{6,}\d|\(?0\d+\)?[ /-][\d /-]{4,}\d")
_INSURED = re.compile(r"\d{3}-\d{2}-\d{4}|\d{3} \d{3} \d{4}|756\.\d{4}\.\d{4}\.\d{2}")


def personal_name(column: str) -> bool:
    """Whether the name of a column says that it holds what identifies a person."""
    words = _words(column)
    while len(words) > 1 and (words[-1] in _TAIL or words[-1].isdigit()):
        if _ends(words):
            return True
        words = words[:-1]
    while len(words) > 1 and words[0] in _HEAD:
        if _ends(words):
            return True
        words = words[1:]
    return _ends(words) or " ".join(words) in _WHOLE


def personal_cells(cells: Sequence[str]) -> bool:
    """Whether cells hold an e-mail address, or mostly days, telephone or insurance numbers."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    if not filled:
        return False
    joined = "\n".join(filled)
    if "+" not in joined and plain_numbers(joined):
        # Of plain numbers only eight digits can be a day, and none a telephone.
        days = [cell for cell in filled if len(cell) == 8 and cell[0] in "12"]
        return 2 * sum(_DAY.fullmatch(cell) is not None for cell in days) > len(filled)
    if "@" in joined and any(_EMAIL.search(cell) for cell in filled):
        return True
    return any(
        2 * sum(pattern.fullmatch(cell) is not None for cell in filled) > len(filled)
        for pattern in (_DAY, _PHONE, _INSURED)
        if pattern.search(joined)
    )


def personal_columns(table: Cells, *, but: Collection[str] = ()) -> list[str]:
    """Columns of a table that look personal, those named in ``but`` aside."""
    return [
        name
        for name in table.header
        if name not in but and (personal_name(name) or personal_cells(table.column(name)))
    ]


def personal_caution(file: str, columns: Sequence[str]) -> list[str]:
    """A sentence on the columns of a file that look personal, if there are any."""
    if not columns:
        return []
    return [
        f"{file}: the columns {', '.join(columns)} look personal (a name, a day, an address, a "
        "number of a record): they are neither used, copied nor shown."
    ]


def _words(column: str) -> list[str]:
    """A column's name in words of plain small letters."""
    plain = unicodedata.normalize("NFKD", column.replace("ß", "ss"))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)
    return re.findall(r"[a-z]+|\d+", plain.casefold())


def _ends(words: Sequence[str]) -> bool:
    return any(words[-len(end) :] == end for end in _END_WORDS)


_END_WORDS = [end.split() for end in _ENDS]
