"""Single-voxel proton spectroscopy: from NIfTI-MRS to tissue-corrected concentrations."""
