"""From amplitudes to tissue-corrected concentrations."""
