"""The rules of the house, checked on the files themselves."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest


def scripts(repository):
    return sorted((repository / "workflow/scripts").rglob("*.py"))


def test_a_script_reads_calls_and_writes(repository):
    assert len(scripts(repository)) >= 8
    banned = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.AsyncFunctionDef)
    for script in scripts(repository):
        text = script.read_text()
        assert len(text.splitlines()) <= 30, script
        found = [
            type(node).__name__ for node in ast.walk(ast.parse(text)) if isinstance(node, banned)
        ]
        assert found == [], script


def test_rule_files_are_a_page(repository):
    for file in (repository / "workflow/rules").rglob("*.smk"):
        text = file.read_text()
        rules = re.findall(r"^rule ", text, re.M)
        assert len(text.splitlines()) <= 150 and len(rules) <= 10, file
        if file.name != "common.smk":
            assert text.startswith("# REQUIRED INPUTS:") and "# OUTPUTS:" in text, file
            assert not re.search(r"^(def|if) ", text, re.M), file


def test_every_rule_has_a_sentence_a_log_and_a_benchmark(repository):
    for file in (repository / "workflow/rules").rglob("*.smk"):
        for rule in re.split(r"^rule ", file.read_text(), flags=re.M)[1:]:
            assert re.search(r'^    """[A-Z].*\."""$', rule, re.M), rule[:60]
            for part in ("log:", "benchmark:", "script:", "code=code("):
                assert part in rule, (part, rule[:60])


def test_one_name_for_rule_and_script(repository):
    for file in (repository / "workflow/rules").rglob("*.smk"):
        for rule in re.split(r"^rule ", file.read_text(), flags=re.M)[1:]:
            digest = re.search(r'code=code\("([^"]+)"\)', rule)[1]
            run = re.search(r'"(?:\.\./)+scripts/([^"]+)"', rule)[1]
            assert digest == run


def test_snakefile_and_configuration_stay_short(repository):
    assert len((repository / "Snakefile").read_text().splitlines()) <= 40
    assert len((repository / "config.yaml").read_text().splitlines()) <= 60


def test_the_literal_slurm_profile_is_found(repository):
    assert (repository / "slurm/config.yaml").is_file()


@pytest.mark.slow
def test_layers_hold(repository):
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports"],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_nothing_of_a_machine_is_in_the_tree(repository):
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.split():
        path = repository / name
        if (
            path.suffix in (".py", ".smk", ".yaml", ".md", ".toml", ".tsv", ".json", "")
            and path.is_file()
        ):
            text = path.read_text(errors="ignore")
            for place in {str(repository), str(Path.home())} - {"/"}:
                assert not re.search(rf"(?<![\w.]){re.escape(place)}(?=[/\s\"'])", text), (
                    name,
                    place,
                )
