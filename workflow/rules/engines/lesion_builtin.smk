# REQUIRED INPUTS:  work/batches/batch-*.tsv (who is in the batch); network.json and network.npz where a network marks lesions
# OUTPUTS:          work/status/lesion_preprocess/batch-*.tsv, and by person the derivatives in sub-*/lesion/


rule lesion_preprocess:
    """Number the lesions of one batch, and bring them into the space of each baseline."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
        network=plan.lesion_network,
    output:
        status=status("lesion_preprocess"),
    log:
        log_of("lesion_preprocess"),
    benchmark:
        benchmark_of("lesion_preprocess")
    retries: RETRIES
    resources:
        attempt=attempt_number,
        mem_mb=memory(2500, "lesion_preprocess"),
        runtime=minutes("lesion_preprocess"),
    params:
        bids_dir=settings.bids_dir,
        output_dir=output_folder,
        settings=step_settings("lesion", "preprocess"),
        code=code("lesion/preprocess.py"),
        reopened=reopened("lesion_preprocess"),
    script:
        "../../scripts/lesion/preprocess.py"
