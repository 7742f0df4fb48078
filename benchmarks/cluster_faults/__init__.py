"""Faults of a cluster, made on a real Slurm on this machine."""
