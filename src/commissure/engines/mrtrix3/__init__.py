"""Diffusion series preprocessed with the programs of MRtrix3, called through Nipype."""
