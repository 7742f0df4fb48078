"""What the package imports is what its core installs; extras are imported where they are used."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from commissure import __version__

#: Modules that are loaded only where their extra is: what FLARE loads has to be a class of FLARE's.
OF_AN_EXTRA = {
    "federated/flare.py": {"nvflare"},
    "federated/kits.py": {"nvflare", "cryptography"},
    "federated/identity.py": {"cryptography"},
    "federated/masks.py": {"cryptography"},
}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[=<>\[ ;]", name)[0]).lower()


@pytest.fixture(scope="module")
def project(repository: Path) -> dict:
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


def imports(tree: ast.AST) -> set[str]:
    """Top-level names of the modules that the statements of a file import, functions left out."""
    names: set[str] = set()
    pending = list(ast.iter_child_nodes(tree))
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            pending += ast.iter_child_nodes(node)
    return names - sys.stdlib_module_names - {"commissure", "__future__"}


def test_the_core_installs_what_modules_import(repository: Path, project: dict) -> None:
    core = {plain(name) for name in project["dependencies"]}
    owners = packages_distributions()
    for path in sorted((repository / "src").rglob("*.py")):
        names = imports(ast.parse(path.read_text(encoding="utf-8")))
        for name in names - OF_AN_EXTRA.get(f"{path.parent.name}/{path.name}", set()):
            assert {plain(owner) for owner in owners[name]} & core, (path.name, name)


def test_an_import_of_an_extra_at_the_top_would_be_seen(project: dict) -> None:
    core = {plain(name) for name in project["dependencies"]}
    assert imports(ast.parse("from combatlearn import ComBat")) == {"combatlearn"}
    assert imports(ast.parse("def f():\n    import combatlearn")) == set()
    assert "combatlearn" not in core


def test_every_extra_has_a_lock_of_the_versions_of_the_core(
    repository: Path, project: dict
) -> None:
    def pinned(name: str) -> dict[str, str]:
        text = (repository / "envs" / f"{name}.lock").read_text()
        return dict(re.findall(r"^([a-z0-9_.-]+)==([^ ]+)", text, re.M))

    core = pinned("requirements")
    assert {plain(name) for name in project["dependencies"]} <= {plain(name) for name in core}
    for extra in set(project["optional-dependencies"]) - {"build"}:
        assert core.items() <= pinned(extra).items(), extra


def test_the_citation_has_the_version_of_the_package(repository: Path, project: dict) -> None:
    citation = yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == project["version"] == __version__
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(citation["date-released"]))


@pytest.mark.slow
def test_the_wheel_carries_all_that_init_lays(repository: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index",
               "--no-build-isolation", "--wheel-dir", str(tmp_path), str(repository)]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    laid = tmp_path / "study"
    for arguments in (
        ["-m", "commissure.cli", "init", str(laid)],
        ["-m", "commissure.cli", "simulate", str(laid / "bids"), "--preset", "tiny",
         *(f"--set=cohort.{group}=1" for group in ("controls", "responsive", "resistant"))],
        ["-m", "snakemake", "-n", "--cores", "1", "--quiet", "--directory", str(laid),
         "--snakefile", str(laid / "Snakefile"), "--config", "bids_dir=bids", "output_dir=out"],
    ):  # fmt: skip
        done = subprocess.run([sys.executable, *arguments], cwd=tmp_path, env=environment,
                              capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    where = "import commissure, sys; sys.exit(sys.argv[1] not in commissure.__file__)"
    subprocess.run([sys.executable, "-c", where, str(site)], env=environment, check=True)
