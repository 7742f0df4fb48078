"""Delimited text as labs write it: read strictly, cell by cell."""
