from commissure.flow.config_files import check_files
from commissure.flow.readable import readable

if workflow.is_main_process:
    with readable():
        check_files([*workflow.overwrite_configfiles, "config.yaml"])


configfile: "config.yaml"


container: "envs/commissure.sif"  # of envs/commissure.def: all of Python, with --sdm apptainer


include: "workflow/rules/common.smk"


for engine in ENGINE_FILES:  # who preprocesses: <modality>.engine

    include: f"workflow/rules/engines/{engine}"


include: "workflow/rules/anat.smk"
include: "workflow/rules/func.smk"
include: "workflow/rules/dwi.smk"
include: "workflow/rules/mrs.smk"
include: "workflow/rules/lesion.smk"
include: "workflow/rules/ingress.smk"
include: "workflow/rules/markers.smk"
include: "workflow/rules/fusion.smk"
include: "workflow/rules/normative.smk"
include: "workflow/rules/subtypes.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/on_request.smk"


rule all:
    default_target: True
    input:
        [out(product) for product in plan.products],
