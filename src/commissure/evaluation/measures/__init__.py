"""By what number predictions are judged: one measure for each kind of outcome."""
