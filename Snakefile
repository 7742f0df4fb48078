configfile: "config.yaml"


# The whole Python stack, built from envs/commissure.def; used only with --sdm apptainer.
container: "envs/commissure.sif"


include: "workflow/rules/common.smk"
include: f"workflow/rules/engines/anat_{settings.anat.engine}.smk"
include: "workflow/rules/anat.smk"
include: f"workflow/rules/engines/func_{settings.func.engine}.smk"
include: "workflow/rules/func.smk"
include: f"workflow/rules/engines/dwi_{settings.dwi.engine}.smk"
include: "workflow/rules/dwi.smk"
include: f"workflow/rules/engines/mrs_{settings.mrs.engine}.smk"
include: "workflow/rules/mrs.smk"
include: "workflow/rules/markers.smk"
include: "workflow/rules/fusion.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        out("report.html"),
        out("ro-crate-metadata.json"),
