"""Derivatives of fMRIPrep, sMRIPrep and QSIPrep, brought under the names that measuring reads."""
