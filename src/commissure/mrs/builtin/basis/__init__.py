"""Basis spectra: simulated from spin systems, or read from files."""
