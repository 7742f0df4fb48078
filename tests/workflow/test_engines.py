"""An engine is a rule file: another program may preprocess, and one rule may serve two modalities."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

pytestmark = pytest.mark.slow

#: Stands for a container: one rule for the tables of two modalities.
PROGRAM = '''
rule program:
    """Run another program for one batch, whose files two modalities read."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
    output:
        anat=status("anat_preprocess"),
        func=status("func_preprocess"),
    log:
        log_of("program"),
    benchmark:
        benchmark_of("program")
    params:
        reopened=reopened("anat_preprocess"),
    shell:
        "cp {input.manifest} {output.anat} && cp {input.manifest} {output.func}"
'''


#: What a developer adds to the registry.
NAMED = """
ENGINES["program"] = Engine(
    "program", {"anat": ("program.smk",), "func": ("program.smk",)}, "Stands for a container."
)
"""


def test_a_program_may_feed_the_tables_of_two_modalities(study, tmp_path, monkeypatch):
    for who in ("sub-01", "sub-02"):
        for modality, suffix in (("anat", "T1w"), ("func", "task-rest_bold"), ("dwi", "dwi")):
            folder = study.bids / who / modality
            folder.mkdir(parents=True)
            (folder / f"{who}_{suffix}.nii.gz").write_text("x")
    other = tmp_path / "checkout"
    for folder in ("workflow", "src"):
        shutil.copytree(study.repository / folder, other / folder)
    for folder in ("resources", "envs"):
        (other / folder).symlink_to(study.repository / folder)
    shutil.copy(study.repository / "Snakefile", other)
    (other / "workflow/rules/engines/program.smk").write_text(PROGRAM)
    with (other / "src/commissure/engines/registry.py").open("a") as file:
        file.write(NAMED)
    monkeypatch.setenv("PYTHONPATH", str(other / "src"))
    engine = {"engine": "program"}
    study.configure(batch_size=1, modalities=["anat", "func", "dwi"], anat=engine, func=engine)
    done = replace(study, repository=other).snakemake("-n")
    planned = [line for line in done.stdout.splitlines() if line.startswith("rule ")]
    assert planned.count("rule program:") == 2
    assert {"rule anat_measure:", "rule func_measure:", "rule dwi_preprocess:"} <= set(planned)
    assert "rule anat_preprocess:" not in planned


def test_an_engine_that_nobody_knows_is_refused(study):
    study.bids.mkdir()
    study.configure(dwi={"engine": "fsl"})
    done = study.snakemake("-n", check=False)
    assert (
        "dwi.engine: there is no engine 'fsl' for diffusion MRI; builtin or derivatives or mrtrix3 or "
        "qsiprep is expected." in done.stderr
    )
