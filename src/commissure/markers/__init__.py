"""One table of markers from all rooms, what is missing from it and why, how well it measures."""
