"""What ``site.yaml`` adds to what every job of a cluster asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from snakemake.resources import Resource, Resources

from commissure.flow.cluster.site import SiteSettings


def with_site(resources: Mapping[str, Any] | None, site: SiteSettings) -> Any:
    """Default resources of all jobs with partition and account; what a profile names is kept.

    Parameters
    ----------
    resources
        Those of the command line and the profile, as Snakemake holds them; None where there are
        none.
    site
        What the lab says.
    """
    named = {"slurm_partition": site.partition, "slurm_account": site.account}
    added = {name: value for name, value in named.items() if value is not None}
    # A run on this machine has no use for them.
    if resources is None or not added:
        return resources
    return Resources({**{n: Resource(n, v) for n, v in added.items()}, **resources})
