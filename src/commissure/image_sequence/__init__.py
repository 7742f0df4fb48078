"""What the images of several visits tell of an outcome: a network in the folds of a fusion."""
