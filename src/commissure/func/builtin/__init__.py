"""The built-in engine for BOLD series."""
