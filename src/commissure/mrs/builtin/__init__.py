"""The built-in engine for spectra."""
