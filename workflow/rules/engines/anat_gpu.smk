# REQUIRED INPUTS:  those of anat_preprocess
# OUTPUTS:          those of anat_preprocess


use rule anat_preprocess as anat_preprocess_gpu with:
    resources:
        **gpus(1),
        mem_mb=memory(3000, "anat_preprocess"),
        runtime=minutes("anat_preprocess"),


# Under a name of its own it is in no group of a profile: only this step holds the processor.
ruleorder: anat_preprocess_gpu > anat_preprocess
