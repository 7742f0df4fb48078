"""Two runs: whether they give the same numbers, why not, and whether they may be pooled."""
