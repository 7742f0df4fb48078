# REQUIRED INPUTS:  the status tables of all modalities, the table of people, a lab's own tables, work/ingress/, ratings*.tsv where there are any
# OUTPUTS:          vulnerability.tsv/.json markers.tsv/.json completeness.tsv exclusions.tsv quality.tsv acquisition.tsv visits.tsv participants.tsv cautions.tsv dwi_quality.tsv tool_quality.tsv, qc_fc.tsv/.json


rule markers:
    """Join the markers of all modalities and say what is missing or left out, and why."""
    input:
        statuses=lambda wildcards: all_statuses(),
        people=plan.people_file,
        tables=[table.file for table in settings.tables],
        tools=[work(f"ingress/{i}_markers.tsv") for i in range(len(settings.ingress))],
        tool_records=[work(f"ingress/{i}.json") for i in range(len(settings.ingress))],
        sessions=plan.session_files,
        ratings=plan.rating_files,
        best=[out("best_response.tsv")] if plan.batches("lesion") else [],
    output:
        markers=out("markers.tsv"),
        definitions=out("markers.json"),
        completeness=out("completeness.tsv"),
        exclusions=out("exclusions.tsv"),
        visits=out("visits.tsv"),
        people=out("participants.tsv"),
        cautions=out("cautions.tsv"),
        dwi_quality=out("dwi_quality.tsv"),
        tool_quality=out("tool_quality.tsv"),
    log:
        log_of("markers", batch=False),
    benchmark:
        benchmark_of("markers", batch=False)
    resources:
        mem_mb=memory(1500, "markers"),
        runtime=minutes("markers"),
    params:
        output_dir=output_folder,
        participants=settings.participants.model_dump(mode="json"),
        sessions=settings.sessions.model_dump(mode="json"),
        settings=settings.markers.model_dump(mode="json"),
        tables=[table.model_dump(mode="json") for table in settings.tables],
        ingress=[tool.model_dump(mode="json") for tool in settings.ingress],
        study=plan.study,
        command=COMMAND,
        code=code("markers/table.py"),
        record=record("markers"),
        reopened=plan.remade("markers"),
    script:
        "../scripts/markers/table.py"


rule scan_tables:
    """Gather how every image was acquired, and every quality value."""
    input:
        statuses=lambda wildcards: all_statuses(),
        manifests=expand(work("batches/batch-{batch}.tsv"), batch=plan.all_batches),
        tool_quality=out("tool_quality.tsv"),
    output:
        quality=out("quality.tsv"),
        acquisition=out("acquisition.tsv"),
        distributions=work("quality_distributions.npz"),
    log:
        log_of("scan_tables", batch=False),
    benchmark:
        benchmark_of("scan_tables", batch=False)
    resources:
        mem_mb=memory(1000),
    params:
        output_dir=output_folder,
        bids_dir=settings.bids_dir,
        code=code("markers/scan_tables.py"),
        record=record("scan_tables"),
        reopened=plan.remade("scan_tables"),
    script:
        "../scripts/markers/scan_tables.py"


rule vulnerability:
    """Compare everybody's brain with the published pattern of a disorder."""
    input:
        markers=out("markers.tsv"),
        exclusions=out("exclusions.tsv"),
        visits=out("visits.tsv"),
        people=out("participants.tsv"),
    output:
        vulnerability=out("vulnerability.tsv"),
        record=out("vulnerability.json"),
    log:
        log_of("vulnerability", batch=False),
    benchmark:
        benchmark_of("vulnerability", batch=False)
    resources:
        mem_mb=memory(1000, "vulnerability"),
        runtime=minutes("vulnerability"),
    params:
        settings=settings.fusion.vulnerability.model_dump(mode="json"),
        code=code("markers/vulnerability.py"),
        record=record("vulnerability"),
        reopened=plan.remade("vulnerability"),
    script:
        "../scripts/markers/vulnerability.py"


rule qc_fc:
    """Compare the strategies of denoising: which leaves least of head motion in connectivity."""
    input:
        statuses=lambda wildcards: statuses("func", "measure"),
        exclusions=out("exclusions.tsv"),
        visits=out("visits.tsv"),
        people=out("participants.tsv"),
    output:
        table=out("qc_fc.tsv"),
        record=out("qc_fc.json"),
    log:
        log_of("qc_fc", batch=False),
    benchmark:
        benchmark_of("qc_fc", batch=False)
    resources:
        mem_mb=memory(1500, "qc_fc"),
        runtime=minutes("qc_fc"),
    params:
        output_dir=output_folder,
        settings=settings.qc_fc.model_dump(mode="json"),
        min_degrees_of_freedom=settings.func.min_degrees_of_freedom,
        code=code("markers/qc_fc.py"),
        record=record("qc_fc"),
        reopened=plan.remade("qc_fc"),
    script:
        "../scripts/markers/qc_fc.py"
