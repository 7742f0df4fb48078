# REQUIRED INPUTS:  markers.tsv/.json exclusions.tsv visits.tsv participants.tsv, of maps the T1w images
# OUTPUTS:          representation/, only where it is asked for: snakemake representation

# Of maps a batch of 64 at 4 mm and what is kept of it for learning.
REPRESENTATION_MB = 8000 if settings.representation.of == "maps" else 2000


rule representation:
    """Learn an encoder on the controls, on a graphics processor where there is one."""
    input:
        markers=out("markers.tsv"),
        definitions=out("markers.json"),
        exclusions=out("exclusions.tsv"),
        visits=out("visits.tsv"),
        people=out("participants.tsv"),
    output:
        encoder=out("representation/encoder.npz"),
        card=out("representation/encoder.json"),
    log:
        log_of("representation", batch=False),
    benchmark:
        benchmark_of("representation", batch=False)
    resources:
        **DEEP_GPUS,
        mem_mb=memory(REPRESENTATION_MB),
    params:
        settings=settings.representation.model_dump(mode="json"),
        code=code("representation/pretrain.py"),
    script:
        "../scripts/representation/pretrain.py"
