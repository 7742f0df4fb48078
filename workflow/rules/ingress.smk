# REQUIRED INPUTS:  the output folders of other tools that the configuration names
# OUTPUTS:          work/ingress/*_markers.tsv, work/ingress/*.json


rule ingress:
    """Read the results that another tool left of everybody."""
    input:
        files=work("ingress/{tool}_files.tsv"),
    output:
        markers=work("ingress/{tool}_markers.tsv"),
        record=work("ingress/{tool}.json"),
    log:
        out("logs/ingress/{tool}.log"),
    benchmark:
        out("benchmarks/ingress/{tool}.tsv")
    wildcard_constraints:
        tool=r"\d+",
    # What cannot be read is told before hours of computing.
    priority: 100
    resources:
        mem_mb=memory(1500, "ingress"),
        runtime=minutes("ingress"),
    params:
        settings=lambda wildcards: settings.ingress[int(wildcards.tool)].model_dump(
            mode="json"
        ),
        code=code("markers/ingress.py"),
        record=lambda wildcards: record(f"ingress-{wildcards.tool}"),
        reopened=lambda wildcards: plan.remade(f"ingress-{wildcards.tool}"),
    script:
        "../scripts/markers/ingress.py"
