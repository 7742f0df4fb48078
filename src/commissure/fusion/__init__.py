"""The classifier, and everything that was done to prove it wrong. Labels enter here."""
