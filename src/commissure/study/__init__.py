"""Who is asked about what: people, labels, markers side by side, folds."""
