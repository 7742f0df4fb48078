"""A BIDS dataset as it lies on the disk: its files, what belongs together, and which are used."""
