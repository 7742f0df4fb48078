# REQUIRED INPUTS:  work/batches/batch-*.tsv (who is in the batch), work/status/anat_preprocess/batch-*.tsv
# OUTPUTS:          work/status/mrs_preprocess/batch-*.tsv, and by person the derivatives in sub-*/mrs/


rule mrs_preprocess:
    """Preprocess the spectra of one batch: coil combination, alignment, eddy currents, water removal and spectral fit."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
        anat=anatomy,
    output:
        status=status("mrs_preprocess"),
    log:
        log_of("mrs_preprocess"),
    benchmark:
        benchmark_of("mrs_preprocess")
    retries: RETRIES
    resources:
        attempt=attempt_number,
        mem_mb=memory(1500, "mrs_preprocess"),
        runtime=minutes("mrs_preprocess"),
    params:
        bids_dir=settings.bids_dir,
        output_dir=output_folder,
        settings=step_settings("mrs", "preprocess"),
        code=code("mrs/preprocess.py"),
        reopened=reopened("mrs_preprocess"),
    script:
        "../../scripts/mrs/preprocess.py"
