# REQUIRED INPUTS:  work/batches/batch-*.tsv (who is in the batch), work/status/anat_preprocess/batch-*.tsv, MRtrix3 on the path
# OUTPUTS:          work/status/dwi_preprocess/batch-*.tsv, and by person the derivatives in sub-*/dwi/


rule dwi_mrtrix3:
    """Preprocess the diffusion series of one batch: MRtrix3 denoises, the realignment is that of the built-in engine."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
        anat=anatomy,
    output:
        status=status("dwi_preprocess"),
    log:
        log_of("dwi_preprocess"),
    benchmark:
        benchmark_of("dwi_mrtrix3")
    retries: RETRIES
    resources:
        attempt=attempt_number,
        mem_mb=memory(3000, "dwi_mrtrix3"),
        runtime=minutes("dwi_mrtrix3"),
    params:
        bids_dir=settings.bids_dir,
        output_dir=output_folder,
        settings=step_settings("dwi", "preprocess"),
        code=code("dwi/mrtrix3.py"),
        reopened=reopened("dwi_preprocess"),
    script:
        "../../scripts/dwi/mrtrix3.py"
