"""What a number is worth: held-out scores, areas, permutations, comparisons."""
