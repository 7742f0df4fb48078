# REQUIRED INPUTS:  work/status/mrs_preprocess/batch-*.tsv (any engine), work/status/anat_preprocess/batch-*.tsv
# OUTPUTS:          work/status/mrs_measure/batch-*.tsv, and by person sub-*/mrs/*_markers.tsv, *_qc.json, figures/


rule mrs_measure:
    """Measure tissue-corrected concentrations of one batch, with quality record and figures."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
        preprocessed=status("mrs_preprocess"),
        anat=anatomy,
    output:
        status=status("mrs_measure"),
    log:
        log_of("mrs_measure"),
    benchmark:
        benchmark_of("mrs_measure")
    retries: RETRIES
    resources:
        attempt=attempt_number,
        mem_mb=memory(2000, "mrs_measure"),
        runtime=minutes("mrs_measure"),
    params:
        bids_dir=settings.bids_dir,
        output_dir=output_folder,
        settings=step_settings("mrs", "measure"),
        code=code("mrs/measure.py"),
        reopened=reopened("mrs_measure"),
    script:
        "../scripts/mrs/measure.py"
