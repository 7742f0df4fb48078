# REQUIRED INPUTS:  work/status/func_preprocess/batch-*.tsv (any engine), work/status/anat_preprocess/batch-*.tsv
# OUTPUTS:          work/status/func_measure/batch-*.tsv, and by person sub-*/func/*_markers.tsv, *_qc.json, figures/


rule func_measure:
    """Measure motion, tSNR and network connectivity of one batch, with quality record and figures."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
        preprocessed=status("func_preprocess"),
        anat=anatomy,
    output:
        status=status("func_measure"),
    log:
        log_of("func_measure"),
    benchmark:
        benchmark_of("func_measure")
    retries: RETRIES
    resources:
        attempt=attempt_number,
        mem_mb=memory(2000, "func_measure"),
        runtime=minutes("func_measure"),
    params:
        bids_dir=settings.bids_dir,
        output_dir=output_folder,
        settings=step_settings("func", "measure"),
        code=code("func/measure.py"),
        reopened=reopened("func_measure"),
    script:
        "../scripts/func/measure.py"
