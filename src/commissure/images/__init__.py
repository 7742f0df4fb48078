"""What all modalities share about space: loading with checks, grids, templates, atlases, masks."""
