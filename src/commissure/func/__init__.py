"""Resting-state BOLD: realignment, template space, confounds, cleaning and connectivity."""
