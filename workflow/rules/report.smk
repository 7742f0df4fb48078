# REQUIRED INPUTS:  the tables of markers and fusion, recovery.tsv where truth is known
# OUTPUTS:          report.html provenance/ ro-crate-metadata.json dataset_description.json


rule provenance:
    """Write down what made these results: versions, configuration, files."""
    input:
        markers=out("markers.tsv"),
        metrics=out("fusion/metrics.json"),
        vulnerability=out("vulnerability.json"),
        normative=out("normative/normative.json"),
        recovery=[out("recovery.tsv")] if plan.truth_file else [],
        qc_fc=[out("qc_fc.tsv")] if plan.batches("func") else [],
    output:
        run=out("provenance/run.json"),
        config=out("provenance/config.yaml"),
        description=out("dataset_description.json"),
        crate=out("ro-crate-metadata.json"),
    log:
        log_of("provenance", batch=False),
    benchmark:
        benchmark_of("provenance", batch=False)
    resources:
        mem_mb=memory(1000),
    params:
        settings=settings.model_dump(mode="json"),
        command=COMMAND,
        root=str(ROOT),
        code=code("report/provenance.py"),
        record=record("provenance"),
        reopened=plan.remade("provenance"),
    script:
        "../scripts/report/provenance.py"


rule report:
    """Write the report: one self-contained page."""
    input:
        statuses=all_statuses(),
        markers=out("markers.tsv"),
        definitions=out("markers.json"),
        completeness=out("completeness.tsv"),
        exclusions=out("exclusions.tsv"),
        visits=out("visits.tsv"),
        people=out("participants.tsv"),
        vulnerability=out("vulnerability.tsv"),
        normative=out("normative/normative.json"),
        metrics=out("fusion/metrics.json"),
        labels=out("fusion/labels.tsv"),
        run=out("provenance/run.json"),
        config=out("provenance/config.yaml"),
        recovery=[out("recovery.tsv")] if plan.truth_file else [],
        qc_fc=[out("qc_fc.tsv"), out("qc_fc.json")] if plan.batches("func") else [],
    output:
        page=out("report.html"),
    log:
        log_of("report", batch=False),
    benchmark:
        benchmark_of("report", batch=False)
    resources:
        mem_mb=memory(2000),
    params:
        output_dir=output_folder,
        settings=settings.report.model_dump(mode="json"),
        code=code("report/page.py"),
        record=record("report"),
        reopened=plan.remade("report"),
    script:
        "../scripts/report/page.py"
