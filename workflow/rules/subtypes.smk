# REQUIRED INPUTS:  markers.tsv/.json exclusions.tsv visits.tsv participants.tsv fusion/labels.tsv
# OUTPUTS:          subtypes/, where subtypes.search says so


rule subtypes:
    """Look for groups among people, and put them to the test; no cluster sees the outcome."""
    input:
        markers=out("markers.tsv"),
        definitions=out("markers.json"),
        exclusions=out("exclusions.tsv"),
        visits=out("visits.tsv"),
        people=out("participants.tsv"),
        labels=out("fusion/labels.tsv"),
    output:
        record=out("subtypes/subtypes.json"),
        assignments=out("subtypes/assignments.tsv"),
        indices=out("subtypes/indices.tsv"),
        canonical=out("subtypes/canonical.tsv"),
        model=directory(out("subtypes/model")),
    log:
        log_of("subtypes", batch=False),
    benchmark:
        benchmark_of("subtypes", batch=False)
    resources:
        mem_mb=memory(1500),
    params:
        study=plan.study_settings,
        settings=settings.subtypes.model_dump(mode="json"),
        code=code("subtypes/search.py"),
        record=record("subtypes"),
        reopened=plan.remade("subtypes"),
    script:
        "../scripts/subtypes/search.py"
