"""Reading spectra: NIfTI-MRS, and scanner files converted to it."""
