# REQUIRED INPUTS:  work/status/lesion_preprocess/batch-*.tsv (any engine)
# OUTPUTS:          work/status/lesion_measure/batch-*.tsv, and by person sub-*/lesion/*_markers.tsv, *_qc.json, *_lesions.tsv, figures/; lesions.tsv response.tsv best_response.tsv


rule lesion_measure:
    """Follow the lesions of one batch over visits and judge the response, with quality record and figures."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
        preprocessed=status("lesion_preprocess"),
    output:
        status=status("lesion_measure"),
    log:
        log_of("lesion_measure"),
    benchmark:
        benchmark_of("lesion_measure")
    retries: RETRIES
    resources:
        attempt=attempt_number,
        mem_mb=memory(2000, "lesion_measure"),
        runtime=minutes("lesion_measure"),
    params:
        bids_dir=settings.bids_dir,
        output_dir=output_folder,
        settings=step_settings("lesion", "measure"),
        code=code("lesion/measure.py"),
        reopened=reopened("lesion_measure"),
    script:
        "../scripts/lesion/measure.py"


rule lesion_tables:
    """Gather lesions and responses of everybody."""
    input:
        statuses=lambda wildcards: statuses("lesion", "measure"),
    output:
        lesions=out("lesions.tsv"),
        response=out("response.tsv"),
        best=out("best_response.tsv"),
    log:
        log_of("lesion_tables", batch=False),
    benchmark:
        benchmark_of("lesion_tables", batch=False)
    resources:
        mem_mb=memory(1000, "lesion_tables"),
        runtime=minutes("lesion_tables"),
    params:
        output_dir=output_folder,
        code=code("lesion/tables.py"),
        record=record("lesion_tables"),
        reopened=plan.remade("lesion_tables"),
    script:
        "../scripts/lesion/tables.py"
