"""Settings, dataset index, job bridge and code digest: the only room that knows Snakemake."""
