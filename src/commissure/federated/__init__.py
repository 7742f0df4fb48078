"""Hospitals that cannot share images or people's values compute together from sums."""
