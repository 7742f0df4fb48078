"""T1-weighted images: brain, tissues, template registration, volumes."""
