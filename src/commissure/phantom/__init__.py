"""People who do not exist, measured with four modalities, and everything that is true of them."""
