"""One self-contained page from a run's output folder: for the reader who was not there."""
