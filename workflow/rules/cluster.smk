# REQUIRED INPUTS:  site.yaml, where there is one
# OUTPUTS:          none: what jobs ask a cluster for, and what is said at the end

from functools import partial

from commissure.flow.attempts import deaths
from commissure.flow.cluster.defaults import with_site
from commissure.flow.cluster.gpu import deep_on_gpu, gpu_resources, torch_has_cuda
from commissure.flow.cluster.site import read_site
from commissure.flow.cluster.start import before_jobs, limits_address_space
from commissure.flow.end_at_once import ending
from commissure.flow.unfinished_report import forget_unfinished, report_unfinished

with readable():
    site = read_site()

workflow.resource_settings.default_resources = with_site(
    workflow.resource_settings.default_resources, site
)
asked.address_space = partial(limits_address_space, workflow)
ENGINE_FILES = plan.engine_files(gpu=deep_on_gpu(site, plan.main))
gpus = partial(
    gpu_resources, site, lambda: workflow.local_exec, workflow.is_main_process
)
DEEP_GPUS = gpus(1) if torch_has_cuda() else {}
EMBEDDING_GPUS = DEEP_GPUS if plan.learns_embedding else {}


onsuccess:
    from commissure.flow.cluster.room import taken

    print(f"commissure: {taken(plan.output_dir).sentence()}", file=sys.stderr)
    forget_unfinished(plan.output_dir)


onerror:
    # Who ends a run waits for nothing.
    if not ending.is_set():
        for sentence in deaths(plan.output_dir / "work"):
            print(f"commissure: {sentence}", file=sys.stderr)
        print(report_unfinished(plan.output_dir), file=sys.stderr)
