"""Lesions over time: their measures, who is who from visit to visit, and the response criteria."""
