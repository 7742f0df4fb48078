"""What a network learns of healthy people, and how far a person deviates from them in it."""
