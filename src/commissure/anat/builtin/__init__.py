"""The built-in engine for T1w images."""
