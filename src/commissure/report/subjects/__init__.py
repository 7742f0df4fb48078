"""One page a person: figures, quality against the cohort, decisions, slices, and rating."""
