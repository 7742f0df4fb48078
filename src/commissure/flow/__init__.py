"""Settings, plan, batches, job bridge and code digest: the only part that knows Snakemake."""
