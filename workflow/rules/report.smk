# REQUIRED INPUTS:  the tables of markers and fusion, recovery.tsv where truth is known
# OUTPUTS:          report.html standing_out.tsv methods.* checklists/ pages/ provenance/ prov/ code/ ro-crate-metadata.json dataset_description.json .bidsignore


rule provenance:
    """Write down what made these results: versions, configuration, files."""
    input:
        tables=[out("markers.tsv"), out("quality.tsv")],
        metrics=out("fusion/metrics.json"),
        vulnerability=out("vulnerability.json"),
        normative=out("normative/normative.json"),
        subtypes=[out("subtypes/subtypes.json")] if settings.subtypes.search else [],
        recovery=[out("recovery.tsv")] if plan.truth_file else [],
        qc_fc=[out("qc_fc.tsv")] if plan.batches("func") else [],
        lesions=[out("response.tsv")] if plan.batches("lesion") else [],
    output:
        [out(name) for name in plan.provenance],
    log:
        log_of("provenance", batch=False),
    benchmark:
        benchmark_of("provenance", batch=False)
    resources:
        mem_mb=memory(1000, "provenance"),
        runtime=minutes("provenance"),
    params:
        output_dir=output_folder,
        settings=settings.model_dump(mode="json"),
        command=COMMAND,
        root=str(ROOT),
        tables={name: str(path) for name, path in settings.inputs().items()},
        codes=plan.codes(ROOT / "workflow" / "scripts"),
        code=code("report/provenance.py"),
        record=record("provenance"),
        reopened=plan.remade("provenance"),
    script:
        "../scripts/report/provenance.py"


rule subject_pages:
    """Write the page of each person of one batch, with slices to look at and rate."""
    input:
        manifest=work("batches/batch-{batch}.tsv"),
        index=work("index.tsv"),
        statuses=batch_statuses,  # those of all would make planning grow by their square
        distributions=work("quality_distributions.npz"),
        exclusions=out("exclusions.tsv"),
        completeness=out("completeness.tsv"),
        tool_quality=out("tool_quality.tsv"),
        normative=out("normative/normative.json"),
        people=out("participants.tsv"),
    output:
        listing=work("pages/batch-{batch}.txt"),
    log:
        log_of("subject_pages"),
    benchmark:
        benchmark_of("subject_pages")
    resources:
        mem_mb=memory(1500),
    params:
        output_dir=output_folder,
        settings=settings.report.model_dump(
            mode="json", include={"title", "viewer", "page_mb"}
        ),
        modalities=settings.modalities,
        study=plan.study,
        code=code("report/subject_pages.py"),
        record=lambda wildcards: record(f"subject_pages-{wildcards.batch}"),
        reopened=lambda wildcards: plan.remade(f"subject_pages-{wildcards.batch}"),
    script:
        "../scripts/report/subject_pages.py"


rule reporting:
    """Write the text of methods and the checklists of reporting."""
    input:
        manifests=expand(work("batches/batch-{batch}.tsv"), batch=plan.all_batches),
        statuses=lambda wildcards: all_statuses(),
        markers=out("markers.tsv"),
        definitions=out("markers.json"),
        completeness=out("completeness.tsv"),
        exclusions=out("exclusions.tsv"),
        acquisition=out("acquisition.tsv"),
        people=out("participants.tsv"),
        metrics=out("fusion/metrics.json"),
        labels=out("fusion/labels.tsv"),
        falsification=out("fusion/falsification.json"),
        run=out("provenance/run.json"),
        config=out("provenance/config.yaml"),
    output:
        [out(name) for name in plan.reporting],
    log:
        log_of("reporting", batch=False),
    benchmark:
        benchmark_of("reporting", batch=False)
    resources:
        mem_mb=memory(1500),
    params:
        output_dir=output_folder,
        bids_dir=settings.bids_dir,
        code=code("report/reporting.py"),
        record=record("reporting"),
        reopened=plan.remade("reporting"),
    script:
        "../scripts/report/reporting.py"


rule report:
    """Write the report: one self-contained page."""
    input:
        statuses=lambda wildcards: all_statuses(),
        markers=out("markers.tsv"),
        definitions=out("markers.json"),
        completeness=out("completeness.tsv"),
        exclusions=out("exclusions.tsv"),
        quality=out("quality.tsv"),
        tool_quality=out("tool_quality.tsv"),
        acquisition=out("acquisition.tsv"),
        pages=[work(f"pages/batch-{batch}.txt") for batch in plan.page_batches],
        ratings=plan.rating_files,
        visits=out("visits.tsv"),
        people=out("participants.tsv"),
        vulnerability=out("vulnerability.tsv"),
        normative=out("normative/normative.json"),
        subtypes=[out("subtypes/subtypes.json")] if settings.subtypes.search else [],
        metrics=out("fusion/metrics.json"),
        labels=out("fusion/labels.tsv"),
        run=out("provenance/run.json"),
        config=out("provenance/config.yaml"),
        recovery=[out("recovery.tsv")] if plan.truth_file else [],
        qc_fc=[out("qc_fc.tsv"), out("qc_fc.json")] if plan.batches("func") else [],
        lesions=[out("response.tsv")] if plan.batches("lesion") else [],
    output:
        out("report.html"),
        out("standing_out.tsv"),
    log:
        log_of("report", batch=False),
    benchmark:
        benchmark_of("report", batch=False)
    resources:
        mem_mb=memory(2000, "report"),
        runtime=minutes("report"),
    params:
        output_dir=output_folder,
        settings=settings.report.model_dump(mode="json"),
        study=plan.study,
        code=code("report/page.py"),
        record=record("report"),
        reopened=plan.remade("report"),
    script:
        "../scripts/report/page.py"
