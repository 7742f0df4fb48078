# REQUIRED INPUTS:  work/batches/batch-*.tsv (who is in the batch), work/status/anat_preprocess/batch-*.tsv, the tree that func.from names
# OUTPUTS:          work/status/func_preprocess/batch-*.tsv, and by person the derivatives in sub-*/func/


rule func_adopt:
    """Take over the BOLD runs of one batch from a tree of derivatives."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
        anat=anatomy,
        tree=plan.tree_listing("func"),
    output:
        status=status("func_preprocess"),
    log:
        log_of("func_preprocess"),
    benchmark:
        benchmark_of("func_preprocess")
    retries: RETRIES
    resources:
        attempt=attempt_number,
        mem_mb=memory(2000, "func_adopt"),
        runtime=minutes("func_adopt"),
    params:
        bids_dir=settings.bids_dir,
        output_dir=output_folder,
        settings=plan.tree_settings("func"),
        code=code("func/adopt.py"),
        reopened=reopened("func_preprocess"),
    script:
        "../../scripts/func/adopt.py"
