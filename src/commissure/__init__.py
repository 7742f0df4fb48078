"""From a BIDS dataset with four modalities to a tested classifier and its report."""

__version__ = "0.1.0"
