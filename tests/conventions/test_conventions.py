"""The rules of the house, checked on the files themselves."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake.cli import parse_args

from commissure.engines.interface import CONTRACT
from commissure.engines.registry import ENGINES, GPU_RULES
from commissure.flow.settings import Settings
from commissure.modalities import MODALITIES, STEPS


def scripts(repository):
    return sorted((repository / "workflow/scripts").rglob("*.py"))


def test_a_script_reads_calls_and_writes(repository):
    assert len(scripts(repository)) >= 8
    banned = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.AsyncFunctionDef)
    for script in scripts(repository):
        text = script.read_text()
        compile(text, script, "exec")
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


def rules(repository):
    """Text of every rule, by its name."""
    texts = {}
    for file in (repository / "workflow/rules").rglob("*.smk"):
        for rule in re.split(r"^rule ", file.read_text(), flags=re.M)[1:]:
            texts[rule.partition(":")[0]] = rule
    return texts


def faults(rule):
    """What a rule lacks. A rule runs a script of ours, or another program by ``shell:``."""
    lacks = [part for part in ("log:", "benchmark:") if part not in rule]
    if not re.search(r'^    """[A-Z].*\."""$', rule, re.M):
        lacks.append("a sentence")
    if ("script:" in rule) == ("shell:" in rule):
        lacks.append("either script: or shell:")
    run = re.search(r'"(?:\.\./)+scripts/([^"]+)"', rule)
    digest = re.search(r'code=code\("([^"]+)"\)', rule)
    if run and (digest is None or digest[1] != run[1]):
        lacks.append(f'code=code("{run[1]}")')
    tables = re.findall(r'=status\("(\w+)"\)', rule.partition("output:")[2].partition("log:")[0])
    if tables and not any(f'=reopened("{table}")' in rule for table in tables):
        lacks.append(f'reopened=reopened("{tables[0]}")')
    return lacks


def test_every_rule_says_what_it_does_and_runs_again_when_it_must(repository):
    found = {name: faults(text) for name, text in rules(repository).items()}
    assert len(found) >= 12
    assert not any(found.values()), found


CONTAINER = """fmriprep:
    \"\"\"Run a program in its container for one batch, whose files two modalities read.\"\"\"
    input:
        manifest=work("batches/batch-{batch}.tsv"),
    output:
        anat=status("anat_preprocess"),
        func=status("func_preprocess"),
    log:
        log_of("fmriprep"),
    benchmark:
        benchmark_of("fmriprep")
    params:
        reopened=reopened("anat_preprocess"),
    container:
        "docker://nipreps/fmriprep"
    shell:
        "fmriprep {input.manifest} {output} &> {log}"
"""


def test_a_rule_may_run_another_program_and_feed_two_tables():
    assert faults(CONTAINER) == []
    assert faults(CONTAINER.replace("log:", "logs:")) == ["log:"]
    assert faults(CONTAINER.replace("reopened(", "again(")) == [
        'reopened=reopened("anat_preprocess")'
    ]
    assert faults(CONTAINER.replace("shell:", "run:")) == ["either script: or shell:"]


def test_the_engines_that_are_named_are_the_rule_files_that_are_there(repository):
    folder = repository / "workflow/rules/engines"
    named = set()
    for engine in ENGINES.values():
        for modality, files in engine.rules.items():
            named |= set(files)
            text = "".join((folder / file).read_text() for file in files)
            # A program that serves several modalities makes the tables of those that name it.
            of_each = f'for name in plan.run_by("{engine.name}")' in text
            made = of_each or f'=status("{modality}_preprocess")' in text
            assert made, (engine.name, modality)
    assert {file.name for file in folder.glob("*.smk")} == {*named, *GPU_RULES.values()}


def test_a_modality_has_its_settings_its_files_its_rules_and_its_lines(repository):
    snakefile = (repository / "Snakefile").read_text()
    profile = (repository / "workflow/profiles/slurm/config.yaml").read_text()
    for name in MODALITIES:
        assert name in Settings.model_fields
        assert name in CONTRACT
        assert f'include: "workflow/rules/{name}.smk"' in snakefile
        for step in STEPS:
            assert (repository / f"workflow/scripts/{name}/{step}.py").is_file()
            assert f"- {name}_{step}=people" in profile


def test_snakefile_and_configuration_stay_short(repository):
    assert len((repository / "Snakefile").read_text().splitlines()) <= 40
    assert len((repository / "config.yaml").read_text().splitlines()) <= 60


def test_the_literal_slurm_profile_is_found(repository):
    assert (repository / "slurm/config.yaml").is_file()


@pytest.mark.parametrize(
    ("argv", "executor", "jobs", "retries", "keep_going"),
    [(["--profile", "slurm"], "slurm", 200, 2, True), (["--cores", "2"], None, None, 0, False)],
)
def test_a_job_that_was_cut_short_runs_again_and_a_profile_keeps_its_word(
    repository, monkeypatch, argv, executor, jobs, retries, keep_going
):
    monkeypatch.chdir(repository)
    _, asked = parse_args(argv)
    assert asked.rerun_incomplete
    assert (asked.executor, asked.jobs, asked.retries, asked.keep_going) == (
        executor, jobs, retries, keep_going,
    )  # fmt: skip


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
