# REQUIRED INPUTS:  work/batches/batch-*.tsv (who is in the batch), work/status/anat_preprocess/batch-*.tsv, a container of QSIPrep
# OUTPUTS:          work/status/dwi_preprocess/batch-*.tsv, qsiprep/, and by person the derivatives in sub-*/dwi/


rule qsiprep:
    """Run QSIPrep for one batch, and take over the diffusion series that it leaves."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
        anat=anatomy,
    output:
        dwi=status("dwi_preprocess"),
    log:
        log_of("qsiprep"),
    benchmark:
        benchmark_of("qsiprep")
    retries: RETRIES
    threads: settings.qsiprep.threads
    resources:
        **gpus(settings.qsiprep.gpus),
        attempt=attempt_number,
        mem_mb=memory(settings.qsiprep.mem_mb),
        runtime=lambda wildcards, attempt: times(attempt, wildcards.batch)
        * settings.qsiprep.runtime_min
        * plan.people_in(wildcards.batch),
    params:
        bids_dir=settings.bids_dir,
        output_dir=output_folder,
        settings=plan.tree_settings("dwi"),
        container=settings.qsiprep.model_dump(mode="json"),
        modalities=["dwi"],
        code=code("engines/qsiprep.py"),
        reopened=reopened("dwi_preprocess"),
    script:
        "../../scripts/engines/qsiprep.py"
