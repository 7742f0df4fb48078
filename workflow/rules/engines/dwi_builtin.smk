# REQUIRED INPUTS:  work/batches/batch-*.tsv (who is in the batch), work/status/anat_preprocess/batch-*.tsv
# OUTPUTS:          work/status/dwi_preprocess/batch-*.tsv, and by person the derivatives in sub-*/dwi/


rule dwi_preprocess:
    """Preprocess the diffusion series of one batch: denoising, realignment, distortion and registration to the T1w."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
        anat=anatomy,
    output:
        status=status("dwi_preprocess"),
    log:
        log_of("dwi_preprocess"),
    benchmark:
        benchmark_of("dwi_preprocess")
    retries: RETRIES
    resources:
        attempt=attempt_number,
        mem_mb=memory(3000, "dwi_preprocess"),
        runtime=minutes("dwi_preprocess"),
    params:
        bids_dir=settings.bids_dir,
        output_dir=output_folder,
        settings=step_settings("dwi", "preprocess"),
        code=code("dwi/preprocess.py"),
        reopened=reopened("dwi_preprocess"),
    script:
        "../../scripts/dwi/preprocess.py"
