# REQUIRED INPUTS:  markers.tsv/.json exclusions.tsv visits.tsv participants.tsv, reference tables or stored charts
# OUTPUTS:          normative/


rule normative:
    """Learn charts over age, sex and site from the controls, and how far each person deviates."""
    input:
        markers=out("markers.tsv"),
        definitions=out("markers.json"),
        exclusions=out("exclusions.tsv"),
        visits=out("visits.tsv"),
        people=out("participants.tsv"),
        elsewhere=plan.normative_files,
    output:
        deviations=out("normative/deviations.tsv"),
        people=out("normative/people.tsv"),
        charts=out("normative/charts.tsv"),
        curves=out("normative/curves.tsv"),
        record=out("normative/normative.json"),
        model=directory(out("normative/model")),
    log:
        log_of("normative", batch=False),
    benchmark:
        benchmark_of("normative", batch=False)
    resources:
        mem_mb=memory(1500, "normative"),
        runtime=minutes("normative"),
    params:
        settings=settings.normative.model_dump(mode="json"),
        code=code("normative/charts.py"),
        record=record("normative"),
        reopened=plan.remade("normative"),
    script:
        "../scripts/normative/charts.py"
