"""The built-in engine for diffusion series."""
