"""Attempts to prove the classifier wrong."""
