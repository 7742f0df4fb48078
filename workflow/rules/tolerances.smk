# REQUIRED INPUTS:  markers.tsv of the finished run, the dataset
# OUTPUTS:          tolerances.tsv, only where it is asked for: snakemake tolerances

REPEATS = range(1, settings.tolerances.repeats + 1)


rule tolerance_repeat:
    """Measure a few people again, their inputs moved by the last digit."""
    input:
        markers=out("markers.tsv"),
    output:
        markers=work("tolerances/repeat-{repeat}/markers.tsv"),
    log:
        out("logs/tolerance_repeat/repeat-{repeat}.log"),
    benchmark:
        out("benchmarks/tolerance_repeat/repeat-{repeat}.tsv")
    resources:
        mem_mb=memory(4000),
    params:
        settings=settings.model_dump(mode="json", by_alias=True),
        people=plan.repeated,
        snakefile=str(ROOT / "Snakefile"),
        code=code("compare/repeat.py"),
    script:
        "../scripts/compare/repeat.py"


rule tolerances:
    """Say what each marker moves by where only the last digit of the input changes."""
    input:
        markers=out("markers.tsv"),
        repeats=expand(work("tolerances/repeat-{repeat}/markers.tsv"), repeat=REPEATS),
    output:
        tolerances=out("tolerances.tsv"),
    log:
        log_of("tolerances", batch=False),
    benchmark:
        benchmark_of("tolerances", batch=False)
    resources:
        mem_mb=memory(1000),
    params:
        people=plan.repeated,
        code=code("compare/tolerances.py"),
    script:
        "../scripts/compare/tolerances.py"
