"""Diffusion MRI: from a raw series to tract averages of the tensor."""
