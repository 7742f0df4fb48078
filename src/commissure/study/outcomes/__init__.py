"""Kinds of outcome: two labels, several classes, a number, a time to an event."""
