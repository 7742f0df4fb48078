# REQUIRED INPUTS:  markers.tsv/.json exclusions.tsv visits.tsv participants.tsv cautions.tsv, the treatment history
# OUTPUTS:          fusion/, recovery*.tsv/.json where truth is known


rule fusion_null:
    """Run a part of the permutation test."""
    input:
        markers=out("markers.tsv"),
        definitions=out("markers.json"),
        exclusions=out("exclusions.tsv"),
        visits=out("visits.tsv"),
        people=out("participants.tsv"),
        cautions=out("cautions.tsv"),
        treatments=plan.treatments_file,
        encoder=plan.encoder_file,
    output:
        work("fusion_null/part-{part}.tsv"),
    log:
        out("logs/fusion_null/part-{part}.log"),
    benchmark:
        out("benchmarks/fusion_null/part-{part}.tsv")
    resources:
        **EMBEDDING_GPUS,
        mem_mb=memory(2000, "fusion_null"),
        runtime=minutes("fusion_null"),
    params:
        settings=settings.fusion.model_dump(mode="json"),
        block=block_of(plan.people),
        parts=len(plan.permutation_parts),
        treatment_columns=settings.treatments.columns,
        code=code("fusion/permute.py"),
        record=record("fusion_null-{part}"),
        reopened=lambda wildcards: plan.remade(f"fusion_null-{wildcards.part}"),
    script:
        "../scripts/fusion/permute.py"


rule fusion_part:
    """Compute a part of the fusion that needs neither permutations nor other parts."""
    input:
        markers=out("markers.tsv"),
        definitions=out("markers.json"),
        exclusions=out("exclusions.tsv"),
        visits=out("visits.tsv"),
        people=out("participants.tsv"),
        cautions=out("cautions.tsv"),
        treatments=plan.treatments_file,
        encoder=plan.encoder_file,
    output:
        work("fusion_parts/{part}.json"),
    log:
        out("logs/fusion_part/{part}.log"),
    benchmark:
        out("benchmarks/fusion_part/{part}.tsv")
    resources:
        **EMBEDDING_GPUS,
        mem_mb=memory(2000, "fusion_part"),
        runtime=minutes("fusion_part"),
    params:
        settings=settings.fusion.model_dump(mode="json"),
        treatment_columns=settings.treatments.columns,
        code=code("fusion/part.py"),
        record=record("fusion_part-{part}"),
        reopened=lambda wildcards: plan.remade(f"fusion_part-{wildcards.part}"),
    script:
        "../scripts/fusion/part.py"


rule fusion:
    """Fit and test the models; labels enter here and nowhere before."""
    input:
        markers=out("markers.tsv"),
        definitions=out("markers.json"),
        exclusions=out("exclusions.tsv"),
        visits=out("visits.tsv"),
        people=out("participants.tsv"),
        cautions=out("cautions.tsv"),
        treatments=plan.treatments_file,
        encoder=plan.encoder_file,
        nulls=expand(work("fusion_null/part-{part}.tsv"), part=plan.permutation_parts),
        parts=expand(work("fusion_parts/{part}.json"), part=plan.fusion_parts),
    output:
        labels=out("fusion/labels.tsv"),
        splits=out("fusion/splits.tsv"),
        predictions=out("fusion/predictions.tsv"),
        metrics=out("fusion/metrics.json"),
        falsification=out("fusion/falsification.json"),
        importance=out("fusion/importance.tsv"),
        model=directory(out("fusion/model")),
    log:
        log_of("fusion", batch=False),
    benchmark:
        benchmark_of("fusion", batch=False)
    resources:
        **EMBEDDING_GPUS,
        mem_mb=memory(2000, "fusion"),
        runtime=minutes("fusion"),
    params:
        settings=settings.fusion.model_dump(mode="json"),
        block=block_of(plan.people),
        treatment_columns=settings.treatments.columns,
        code=code("fusion/fuse.py"),
        record=record("fusion"),
        reopened=plan.remade("fusion"),
    script:
        "../scripts/fusion/fuse.py"


rule recovery:
    """Compare the markers with the truth of a simulated cohort."""
    input:
        markers=out("markers.tsv"),
        truth=plan.truth_file,
        labels=out("fusion/labels.tsv"),
        oracle=plan.oracle_file,
    output:
        recovery=out("recovery.tsv"),
        pairs=out("recovery_pairs.tsv"),
        oracle=out("recovery_oracle.tsv"),
        false_positives=out("recovery_false_positives.json"),
    log:
        log_of("recovery", batch=False),
    benchmark:
        benchmark_of("recovery", batch=False)
    resources:
        mem_mb=memory(1000, "recovery"),
        runtime=minutes("recovery"),
    params:
        code=code("markers/recovery.py"),
        record=record("recovery"),
        reopened=plan.remade("recovery"),
    script:
        "../scripts/markers/recovery.py"
