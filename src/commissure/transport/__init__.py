"""A stored model on new people."""
