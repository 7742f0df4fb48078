# REQUIRED INPUTS:  work/batches/batch-*.tsv (who is in the batch), the dataset, a container of fMRIPrep
# OUTPUTS:          work/status/{anat,func}_preprocess/batch-*.tsv, fmriprep/, and by person the derivatives in sub-*/{anat,func}/


rule fmriprep:
    """Run fMRIPrep for one batch; what it leaves serves the anatomy and BOLD."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
        anat=lambda wildcards: (
            [] if "anat" in plan.run_by("fmriprep") else anatomy(wildcards)
        ),
    output:
        **{name: status(f"{name}_preprocess") for name in plan.run_by("fmriprep")},
    log:
        log_of("fmriprep"),
    benchmark:
        benchmark_of("fmriprep")
    retries: RETRIES
    threads: settings.fmriprep.threads
    resources:
        attempt=attempt_number,
        mem_mb=memory(settings.fmriprep.mem_mb),
        runtime=lambda wildcards, attempt: times(attempt, wildcards.batch)
        * settings.fmriprep.runtime_min
        * plan.people_in(wildcards.batch),
    params:
        bids_dir=settings.bids_dir,
        output_dir=output_folder,
        settings=plan.tree_settings(plan.run_by("fmriprep")[0]),
        container=settings.fmriprep.model_dump(mode="json"),
        modalities=plan.run_by("fmriprep"),
        code=code("engines/fmriprep.py"),
        reopened=lambda wildcards: [
            plan.reopened(f"{name}_preprocess", wildcards.batch)
            for name in plan.run_by("fmriprep")
        ],
    script:
        "../../scripts/engines/fmriprep.py"
