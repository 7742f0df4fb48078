"""The documentation page of the core's dependencies and their licences, from lock and metadata."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution, metadata
from pathlib import Path

_HEAD = """\
# Licences

Commissure is BSD-3-Clause; with the atlases, BSD-3-Clause AND Apache-2.0. Every atlas has its own
notice in `resources/atlases`. The core installs the packages below, as `envs/requirements.lock`
pins them. None is under the GPL alone: such a package would put its terms on whatever is given away
together with it, and a test refuses it. LGPL and MPL packages are used as they are, unchanged.
Extras and engines of others are installed by who wants them, under their own terms. Generated from
the lock and the packages' metadata by `python -m commissure.flow.generate_docs`.

| package | version | licence |
|---|---|---|
"""

# What the classifiers of the Python package index say, in short.
_SHORT = {
    "BSD License": "BSD", "MIT License": "MIT", "Apache Software License": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0", "ISC License (ISCL)": "ISC",
    "The Unlicense (Unlicense)": "Unlicense",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL",
}  # fmt: skip


# What licence files begin with, the strictest first.
_WORDS = (
    ("gnu affero general public", "AGPL"), ("gnu lesser general public", "LGPL"),
    ("gnu general public", "GPL"), ("apache license", "Apache-2.0"),
    ("permission is hereby granted, free of charge", "MIT"),
    ("redistribution and use in source and binary forms", "BSD"),
)  # fmt: skip


def locked(lock: Path) -> dict[str, str]:
    """Versions by package, as a lock pins them."""
    return dict(re.findall(r"^([a-z0-9_.-]+)==([^ ]+)", lock.read_text(encoding="utf-8"), re.M))


def licence_of(package: str) -> str:
    """Licence as the metadata of an installed package says it; an empty string where it does not.

    Parameters
    ----------
    package
        Name of the distribution.
    """
    try:
        told = metadata(package)
    except PackageNotFoundError:
        return ""
    if told["License-Expression"]:
        return str(told["License-Expression"])
    names = [
        classifier.rpartition(" :: ")[2]
        for classifier in told.get_all("Classifier") or ()
        if classifier.startswith("License :: ")
    ]
    named = [_SHORT.get(name, name) for name in names if name != "OSI Approved"]
    text = str(told["License"] or "").strip()
    if named:
        return " OR ".join(named)
    return text.splitlines()[0].strip()[:60] if text else _of_its_file(package)


def _of_its_file(package: str) -> str:
    """The licence whose words stand at the head of the licence file in the package."""
    for file in distribution(package).files or ():
        if file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING")):
            text = " ".join(Path(str(file.locate())).read_text(errors="ignore").split()).lower()
            return next((name for words, name in _WORDS if words in text), "")
    return ""


def is_gpl(licence: str) -> bool:
    """Whether the GPL or AGPL is the only choice that a licence leaves."""
    choices = re.split(r"\s+OR\s+", licence)
    strict = re.compile(r"(?<!L)(?<!Lesser )\b(A?GPL|GNU (Affero )?General Public)", re.I)
    return bool(licence) and all(
        strict.search(re.sub(r"GPL-[\d.]+(-or-later|-only)? WITH \S+", "", c)) for c in choices
    )


def licences_page(lock: Path) -> str:
    """The page, in Markdown.

    Parameters
    ----------
    lock
        The lock of the core; what it pins is installed.
    """
    rows = [
        f"| {name} | {version} | {licence_of(name) or 'not said'} |"
        for name, version in locked(lock).items()
    ]
    return _HEAD + "\n".join(rows) + "\n"
