"""The spectral fit."""
