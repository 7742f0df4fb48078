"""The simulated scanner: what each modality measures of a head."""
