# REQUIRED INPUTS:  work/batches/batch-*.tsv (who is in the batch), work/status/anat_preprocess/batch-*.tsv
# OUTPUTS:          work/status/func_preprocess/batch-*.tsv, and by person the derivatives in sub-*/func/


rule func_preprocess:
    """Preprocess the BOLD series of one batch: realignment, registration, confounds and resampling to the template."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
        anat=anatomy,
    output:
        status=status("func_preprocess"),
    log:
        log_of("func_preprocess"),
    benchmark:
        benchmark_of("func_preprocess")
    retries: RETRIES
    resources:
        attempt=attempt_number,
        mem_mb=memory(3000, "func_preprocess"),
        runtime=minutes("func_preprocess"),
    params:
        bids_dir=settings.bids_dir,
        output_dir=output_folder,
        settings=step_settings("func", "preprocess"),
        code=code("func/preprocess.py"),
        reopened=reopened("func_preprocess"),
    script:
        "../../scripts/func/preprocess.py"
