# REQUIRED INPUTS:  work/batches/batch-*.tsv (who is in the batch)
# OUTPUTS:          work/status/anat_preprocess/batch-*.tsv, and by person the derivatives in sub-*/anat/


rule anat_preprocess:
    """Preprocess the T1w images of one batch: bias correction, brain mask, tissues and the warp to the template; with anat.longitudinal, a person's visits in one template."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
    output:
        status=status("anat_preprocess"),
    log:
        log_of("anat_preprocess"),
    benchmark:
        benchmark_of("anat_preprocess")
    retries: RETRIES
    resources:
        attempt=attempt_number,
        mem_mb=memory(3000, "anat_preprocess"),
        runtime=minutes("anat_preprocess"),
    params:
        bids_dir=settings.bids_dir,
        output_dir=output_folder,
        settings=step_settings("anat", "preprocess"),
        code=code("anat/preprocess.py"),
        reopened=reopened("anat_preprocess"),
    script:
        "../../scripts/anat/preprocess.py"
