"""The text of a study's methods, from what a run really did."""
