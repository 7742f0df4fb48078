# REQUIRED INPUTS:  work/batches/batch-*.tsv (who is in the batch), work/status/anat_preprocess/batch-*.tsv, the tree that dwi.from names
# OUTPUTS:          work/status/dwi_preprocess/batch-*.tsv, and by person the derivatives in sub-*/dwi/


rule dwi_adopt:
    """Take over the diffusion series of one batch from a tree of derivatives."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
        anat=anatomy,
        tree=plan.tree_listing("dwi"),
    output:
        status=status("dwi_preprocess"),
    log:
        log_of("dwi_preprocess"),
    benchmark:
        benchmark_of("dwi_preprocess")
    retries: RETRIES
    resources:
        attempt=attempt_number,
        mem_mb=memory(2000, "dwi_adopt"),
        runtime=minutes("dwi_adopt"),
    params:
        bids_dir=settings.bids_dir,
        output_dir=output_folder,
        settings=plan.tree_settings("dwi"),
        code=code("dwi/adopt.py"),
        reopened=reopened("dwi_preprocess"),
    script:
        "../../scripts/dwi/adopt.py"
