# REQUIRED INPUTS:  work/status/anat_preprocess/batch-*.tsv (any engine)
# OUTPUTS:          work/status/anat_measure/batch-*.tsv, and by person sub-*/anat/*_markers.tsv, *_qc.json, figures/


rule anat_measure:
    """Measure volumes of one batch, with quality record and figures."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
        preprocessed=status("anat_preprocess"),
    output:
        status=status("anat_measure"),
    log:
        log_of("anat_measure"),
    benchmark:
        benchmark_of("anat_measure")
    retries: RETRIES
    resources:
        attempt=attempt_number,
        mem_mb=memory(2000, "anat_measure"),
        runtime=minutes("anat_measure"),
    params:
        bids_dir=settings.bids_dir,
        output_dir=output_folder,
        settings=step_settings("anat", "measure"),
        code=code("anat/measure.py"),
        reopened=reopened("anat_measure"),
    script:
        "../scripts/anat/measure.py"
