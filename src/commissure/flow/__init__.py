"""Settings, dataset index, job bridge and code digest: the only part that knows Snakemake."""
