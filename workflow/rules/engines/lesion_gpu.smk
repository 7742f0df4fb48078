# REQUIRED INPUTS:  those of lesion_preprocess
# OUTPUTS:          those of lesion_preprocess


use rule lesion_preprocess as lesion_preprocess_gpu with:
    resources:
        **gpus(1),
        mem_mb=memory(4000, "lesion_preprocess"),
        runtime=minutes("lesion_preprocess"),


# Under a name of its own it is in no group of a profile: only this step holds the processor.
ruleorder: lesion_preprocess_gpu > lesion_preprocess
