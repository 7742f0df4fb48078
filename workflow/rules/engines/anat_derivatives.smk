# REQUIRED INPUTS:  work/batches/batch-*.tsv (who is in the batch), the tree that anat.from names
# OUTPUTS:          work/status/anat_preprocess/batch-*.tsv, and by person the derivatives in sub-*/anat/


rule anat_adopt:
    """Take over the T1w images of one batch from a tree of derivatives."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
        tree=plan.tree_listing("anat"),
    output:
        status=status("anat_preprocess"),
    log:
        log_of("anat_preprocess"),
    benchmark:
        benchmark_of("anat_preprocess")
    retries: RETRIES
    resources:
        attempt=attempt_number,
        mem_mb=memory(2000, "anat_adopt"),
        runtime=minutes("anat_adopt"),
    params:
        bids_dir=settings.bids_dir,
        output_dir=output_folder,
        settings=plan.tree_settings("anat"),
        code=code("anat/adopt.py"),
        reopened=reopened("anat_preprocess"),
    script:
        "../../scripts/anat/adopt.py"
