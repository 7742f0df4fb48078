"""Lesions that grow, shrink, vanish, split and merge, with everything that is true of them."""
