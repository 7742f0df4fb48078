"""The digest of the code a script reaches changes with that code and with nothing else."""

from __future__ import annotations

import ast
import fnmatch
import shutil

import pytest

from commissure.flow import code
from commissure.modalities import MODALITIES

#: Modules that no script reaches, and why.
NOT_BY_A_SCRIPT = {
    "__init__.py": "the version number",
    "cli/*": "commands for the terminal",
    "compare/*": "of the command `commissure compare`",
    "federated/*": "of the command `commissure federate`",
    "models/encoders/local_training.py": "of `commissure federate --encoder`",
    "flow/*": "decides when a job runs, never what it computes",
    "dataset/*": "which images there are: a job is given them by name, and runs again when they change",
    "engines/*": "the names of the engines and the interface; an engine's script reaches its own",
    "image_sequence/*": "of the command `commissure predict-visits`",
    "images/contrast.py": "chooses an image; what it measured is kept under a VERSION of its own",
    "lesion/agreement.py": "of the command `commissure response`",
    "lesion/filters.py": "called from Python",
    "lesion/network/apply.py": "of the command `commissure segment-lesion`",
    "lesion/network/checkpoint.py": "of the command `commissure train-lesion`",
    "lesion/network/examples.py": "of the command `commissure train-lesion`",
    "lesion/network/train.py": "of the command `commissure train-lesion`",
    "lesion/network/trial.py": "of the command `commissure train-lesion`",
    "lesion/robustness.py": "called from Python",
    "markers/page.py": "writes docs/markers.md",
    "markers/reliability.py": "of the page of markers",
    "markers/status.py": "the bridge's own table: its columns are read by markers/outcomes.py",
    "mrs/acquisition/convert.py": "of the command `commissure convert`",
    "phantom/*": "simulates datasets: of the command `commissure simulate`",
    "normative/apply.py": "of the command `commissure apply`",
    "representation/embed*.py": "of the command `commissure embed`",
    "report/from_folder.py": "of the command `commissure report`",
    "report/pseudonymise.py": "of the command `commissure report`",
    "report/pseudonyms.py": "of the command `commissure report`",
    "transport/apply.py": "of the command `commissure apply`",
    "transport/drift.py": "of the command `commissure apply`",
    "transport/kinds.py": "of the command `commissure apply`",
    "transport/predict.py": "of the command `commissure apply`",
    "transport/released.py": "of the command `commissure release`",
    "transport/sets.py": "of the command `commissure apply`",
}

#: Resources that no script reaches, and why.
NOT_COMPUTED_WITH = {
    "config.schema.json": "tells editors what config.yaml may say",
    "*/README.md": "words for people",
    "*/LICENSE": "words for people",
    "*/NOTICE": "words for people",
    "atlases/build/*": "makes the atlases, by hand",
    "atlases/checksums.tsv": "what the atlases are made of",
}


def scripts(repository):
    return sorted((repository / "workflow/scripts").rglob("*.py"))


def reaching(repository, name):
    """Scripts that reach a file, by its path below the package or below resources/."""
    path = repository / (name if name.startswith("resources/") else f"src/commissure/{name}")
    assert path.is_file(), name
    folder = repository / "workflow/scripts"
    return {
        str(script.relative_to(folder).with_suffix(""))
        for script in scripts(repository)
        if path in code.reached(script)
    }


def test_a_script_reaches_its_modality_and_what_that_imports(repository):
    files = code.reached(repository / "workflow/scripts/anat/preprocess.py")
    relative = {str(path.relative_to(code.SOURCE)) for path in files if "src" in path.parts}
    assert {
        "anat/builtin/preprocess.py",
        "anat/settings.py",
        "images/load.py",
        "files.py",
        "errors.py",
    } <= relative
    assert not any(
        path.startswith(("func/", "dwi/", "mrs/", "flow/", "fusion/")) for path in relative
    )


def test_measuring_does_not_depend_on_another_modality(repository):
    for modality in ("func", "dwi", "mrs", "lesion"):
        files = code.reached(repository / f"workflow/scripts/{modality}/measure.py")
        folders = {path.relative_to(repository).parts[2] for path in files}
        assert folders.isdisjoint(set(MODALITIES) - {modality})


def test_the_page_template_counts_as_code_of_the_report(repository):
    files = code.reached(repository / "workflow/scripts/report/page.py")
    assert any(path.suffix in (".j2", ".html", ".css") for path in files)


def _says_something(path):
    """Whether a module has more than its docstring."""
    return any(
        not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in ast.parse(path.read_text()).body
    )


def test_every_module_is_reached_by_a_script_or_has_a_reason(repository):
    reached = {path for script in scripts(repository) for path in code.reached(script)}
    unreached = []
    for path in sorted(code.SOURCE.rglob("*")):
        if not path.is_file() or path.suffix == ".pyc" or "resources" in path.parts:
            continue
        name = str(path.relative_to(code.SOURCE))
        listed = any(fnmatch.fnmatch(name, pattern) for pattern in NOT_BY_A_SCRIPT)
        if listed or (path.name == "__init__.py" and not _says_something(path)):
            continue
        if path not in reached:
            unreached.append(name)
    assert unreached == [], "edited, they would leave old results in place"


def test_every_resource_is_reached_by_a_script_or_has_a_reason(repository):
    reached = {path for script in scripts(repository) for path in code.reached(script)}
    folder = repository / "resources"
    unreached = [
        name
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path not in reached
        for name in [str(path.relative_to(folder))]
        if not any(fnmatch.fnmatch(name, pattern) for pattern in NOT_COMPUTED_WITH)
    ]
    assert unreached == []


def test_what_is_listed_as_unreached_is_there(repository):
    names = [str(path.relative_to(code.SOURCE)) for path in code.SOURCE.rglob("*.py")]
    for pattern in NOT_BY_A_SCRIPT:
        assert any(fnmatch.fnmatch(name, pattern) for name in names), pattern


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_definition_is_code_of_the_marker_table(repository, modality):
    assert "markers/table" in reaching(repository, f"{modality}/definitions.py")


def test_a_label_table_is_code_of_those_who_use_the_atlas(repository):
    tracts = reaching(repository, "resources/atlases/jhu-icbm-dti81/labels.tsv")
    assert "dwi/measure" in tracts
    assert not {"markers/recovery", "mrs/preprocess"} & tracts
    parcels = "tpl-MNI152NLin2009aSym_atlas-Schaefer2018_seg-7n_scale-100_res-1_dseg.tsv"
    assert "func/measure" in reaching(repository, f"resources/atlases/schaefer2018/{parcels}")


@pytest.fixture
def copied(repository, tmp_path, monkeypatch):
    """A copy of the sources and small resources, which may be edited."""
    source, resources = tmp_path / "src/commissure", tmp_path / "resources"
    shutil.copytree(repository / "src/commissure", source)
    shutil.copytree(repository / "resources", resources, ignore=shutil.ignore_patterns("*.nii.gz"))
    monkeypatch.setattr(code, "SOURCE", source)
    monkeypatch.setattr(code, "RESOURCES", resources)
    return tmp_path


#: What is edited, a script that reaches it, and one that does not.
EDITS = (
    ("src/commissure/mrs/definitions.py", "markers/table", "anat/preprocess"),
    ("src/commissure/func/definitions.py", "markers/table", "anat/preprocess"),
    ("resources/atlases/jhu-icbm-dti81/labels.tsv", "dwi/measure", "mrs/preprocess"),
    ("src/commissure/dwi/measure.py", "dwi/measure", "anat/preprocess"),
)


def test_an_edit_changes_the_digests_of_those_who_reach_it(repository, copied):
    folder = repository / "workflow/scripts"
    before = {script: code.code_of(script) for script in scripts(repository)}
    for edited, changed, unchanged in EDITS:
        with (copied / edited).open("a") as file:
            file.write("\n")
        after = {script: code.code_of(script) for script in scripts(repository)}
        differing = {script for script in before if after[script] != before[script]}
        assert folder / f"{changed}.py" in differing, edited
        assert folder / f"{unchanged}.py" not in differing, edited
        before = after


def test_an_edit_of_the_script_changes_its_digest(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from commissure.rows import Marker\n")
    before = code.code_of(script)
    script.write_text("from commissure.rows import Marker\n\n")
    assert code.code_of(script) != before
