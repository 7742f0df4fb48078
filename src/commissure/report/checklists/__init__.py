"""Checklists of reporting, filled from a run as far as a run can say."""
