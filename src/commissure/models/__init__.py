"""Estimators: whatever is learnt from people is learnt in fit."""
