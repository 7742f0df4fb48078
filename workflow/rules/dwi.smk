# REQUIRED INPUTS:  work/status/dwi_preprocess/batch-*.tsv (any engine), work/status/anat_preprocess/batch-*.tsv
# OUTPUTS:          work/status/dwi_measure/batch-*.tsv, and by person sub-*/dwi/*_markers.tsv, *_qc.json, figures/


rule dwi_measure:
    """Measure tensor and tract averages of one batch, with quality record and figures."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
        preprocessed=status("dwi_preprocess"),
        anat=anatomy,
    output:
        status=status("dwi_measure"),
    log:
        log_of("dwi_measure"),
    benchmark:
        benchmark_of("dwi_measure")
    retries: RETRIES
    resources:
        attempt=attempt_number,
        mem_mb=memory(2000, "dwi_measure"),
        runtime=minutes("dwi_measure"),
    params:
        bids_dir=settings.bids_dir,
        output_dir=output_folder,
        settings=step_settings("dwi", "measure"),
        code=code("dwi/measure.py"),
        reopened=reopened("dwi_measure"),
    script:
        "../scripts/dwi/measure.py"
