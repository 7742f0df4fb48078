"""Every data file that ships is one that was made from a named package."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pytest

ATLASES = Path(__file__).parents[2] / "resources" / "atlases"

#: What is not made of anything.
WRITTEN_BY_HAND = {"README.md", "checksums.tsv"}


def recorded(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "checksums.tsv").open() as table:
        return {row["file"]: row for row in csv.DictReader(table, delimiter="\t")}


def problems(folder: Path) -> list[str]:
    """What is wrong with the provenance of the files below a folder."""
    record = recorded(folder)
    files = {
        str(path.relative_to(folder)): path
        for path in folder.rglob("*")
        if path.is_file() and "build" not in path.relative_to(folder).parts
    }
    shipped = {name for name, path in files.items() if path.name not in WRITTEN_BY_HAND}
    wrong = [f"{name}: not in checksums.tsv" for name in sorted(shipped - set(record))]
    wrong += [f"{name}: recorded, but not there" for name in sorted(set(record) - shipped)]
    for name in sorted(shipped & set(record)):
        row, path = record[name], files[name]
        if hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
            wrong.append(f"{name}: is not what was recorded")
        notice = path.parent / "README.md"
        words = notice.read_text() if notice.exists() else ""
        for package in row["packages"].split():
            if package not in words and package.split("=")[0] not in words:
                wrong.append(f"{name}: its README.md does not name {package}")
        if row["made_by"].startswith("build/") and not (folder / row["made_by"]).exists():
            wrong.append(f"{name}: {row['made_by']} is not there")
    for part in sorted({Path(name).parent for name in shipped}):
        if "Licence:" not in (folder / part / "README.md").read_text():
            wrong.append(f"{part}: README.md names no licence")
    return wrong


def test_every_file_of_the_atlases_is_recorded_and_as_it_was_made():
    assert problems(ATLASES) == []


def test_packages_of_the_record_are_those_that_scripts_check():
    known = (ATLASES / "build" / "packages.py").read_text()
    for row in recorded(ATLASES).values():
        for package in row["packages"].split():
            assert package in known or package == "nilearn==0.13.1"


@pytest.mark.parametrize("fault", ["changed", "new", "gone", "unnamed"])
def test_a_file_without_provenance_is_seen(tmp_path, fault):
    notices = [str(path.relative_to(ATLASES)) for path in ATLASES.glob("*/README.md")]
    for name in ("checksums.tsv", *notices, *recorded(ATLASES)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ATLASES / name).read_bytes())
    for script in (ATLASES / "build").glob("*.py"):
        (tmp_path / "build").mkdir(exist_ok=True)
        (tmp_path / "build" / script.name).write_bytes(script.read_bytes())
    assert problems(tmp_path) == []
    labels = tmp_path / "jhu-icbm-dti81" / "labels.tsv"
    if fault == "changed":
        labels.write_text(labels.read_text().replace("UNC", "IFO"))
    elif fault == "new":
        (tmp_path / "jhu-icbm-dti81" / "more.nii.gz").write_bytes(b"")
    elif fault == "gone":
        labels.unlink()
    else:
        (tmp_path / "jhu-icbm-dti81" / "README.md").write_text("Licence: free.")
    assert problems(tmp_path) != []
